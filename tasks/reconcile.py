"""Runs that died without a word: shown as running for ever, until the next run finds their process gone."""

import logging
import os
import socket
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run
from prefect.states import Crashed

from tasks.show import shown

logger = logging.getLogger("oodinv.run")

HOST, PROCESS, BOOT = "oodinv.host", "oodinv.process", "oodinv.boot"
_LOOKED_AT = 200
MAX_CRASHES = 5


class CrashedTooOften(Exception):
    """The deployment's last runs all crashed, and this one was started because of that."""


@task(name="reconcile", cache_policy=NO_CACHE, persist_result=False)
def reconcile() -> list[str]:
    """Sign this run with its process, and mark as crashed the runs of this flow that their process has left.

    Only runs of this host whose process is gone for certain: others may be alive. What they committed stands; what they
    did not is done by this run, if it has the same target.

    Returns:
        Ids of the runs that were marked.

    Raises:
        CrashedTooOften: An automation started this run after `MAX_CRASHES` crashes in a row. It ends as failed, which
            ends the series: what crashes every time is not cured by trying again.
    """
    own = flow_run.get_id()
    if own is None:
        return []
    marked, crashes = [], 0
    with shown("this run's process"), get_client(sync_client=True) as client:
        client.update_flow_run_labels(UUID(own), dict(signature()))
        for run in _running(client, UUID(own)):
            if left_by_its_process(run.labels):
                message = f"its process {run.labels[PROCESS]} on {run.labels[HOST]} is gone; found by run {own}"
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                logger.warning("run %s was marked as crashed: %s", run.name, message)
                marked.append(str(run.id))
        crashes = _crashes_before(client, UUID(own))
    if crashes >= MAX_CRASHES:
        raise CrashedTooOften(
            f"the last {crashes} runs of this deployment all crashed; look at their logs and at the memory of the "
            "machine, then start it by hand: it resumes"
        )
    return marked


def _crashes_before(client: SyncPrefectClient, own: UUID) -> int:
    """Crashes in a row before a run that an automation started; 0 for any other run."""
    me = client.read_flow_run(own)
    if me.deployment_id is None or me.created_by is None or me.created_by.type != "AUTOMATION":
        return 0
    ended = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            id=FlowRunFilterId(not_any_=[own]),
            deployment_id=FlowRunFilterDeploymentId(any_=[me.deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=MAX_CRASHES,
    )
    return next((index for index, run in enumerate(ended) if run.state_type != StateType.CRASHED), len(ended))


def _running(client: SyncPrefectClient, own: UUID) -> list[FlowRun]:
    """The flow's other runs that the server takes for running."""
    me = client.read_flow_run(own)
    states = [StateType.RUNNING, StateType.CANCELLING]
    return [
        run
        for run in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                id=FlowRunFilterId(not_any_=[own]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
            ),
            sort=FlowRunSort.START_TIME_ASC,
            limit=_LOOKED_AT,
        )
        if run.flow_id == me.flow_id
    ]


def signature() -> dict[str, str]:
    """What tells this process from every other one, also after its pid was given away again."""
    return {HOST: socket.gethostname(), PROCESS: _process(os.getpid()) or str(os.getpid()), BOOT: _boot()}


def left_by_its_process(labels: dict[str, Any]) -> bool:
    """True when a run's signature is of this host, and of a process that is there no more."""
    if labels.get(HOST) != socket.gethostname() or PROCESS not in labels:
        return False
    if labels.get(BOOT) != _boot():
        return True
    pid = str(labels[PROCESS]).partition("@")[0]
    return not pid.isdecimal() or _process(int(pid)) != labels[PROCESS]


def _process(pid: int) -> str | None:
    """`pid@start`, start in clock ticks since boot where the system tells; None when there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{pid}@{fields[19]}"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # somebody else's, but there
    return f"{pid}@"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""

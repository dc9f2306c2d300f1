"""What the Prefect server does by itself when a run falls silent or crashes.

`python -m flows.automations` creates or updates it; run it after `prefect deploy --all`.

1. A run of a deployment whose heartbeat stops is marked as crashed. A process that was killed together with its worker,
   or whose machine is gone, cannot say so itself.
2. A crashed run of a deployment is started again with the same parameters. What is committed is not done twice, so the
   new run goes on where the old one was. `reconcile` ends a series of crashes.
"""

import sys
from datetime import timedelta
from typing import Any, cast

from flows.environment import quiet_and_local

quiet_and_local()

from prefect.automations import Automation  # noqa: E402 (after the settings)
from prefect.events.actions import ChangeFlowRunState, RunDeployment  # noqa: E402
from prefect.events.schemas.automations import EventTrigger, Posture  # noqa: E402
from prefect.settings import get_current_settings  # noqa: E402
from prefect.states import StateType  # noqa: E402

TAG = "oodinv"
"""Of the deployments in prefect.yaml; runs inherit it."""
_HEARTBEATS_MISSED = 3
_RUN: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS: dict[str, str | list[str]] = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
_ENDS = {
    "prefect.flow-run.Completed",
    "prefect.flow-run.Failed",
    "prefect.flow-run.Cancelled",
    "prefect.flow-run.Crashed",
}


def automations(heartbeat_s: float | None = None) -> list[Automation]:
    """Both automations, as they should be.

    Args:
        heartbeat_s: Seconds between heartbeats of a run; by default what the settings say.
    """
    every = heartbeat_s or get_current_settings().flows.heartbeat_frequency or 180
    silent = Automation(
        name="oodinv: a silent run has crashed",
        description="No heartbeat for three times its interval: the run's process or machine is gone.",
        trigger=EventTrigger(
            match=_RUN,
            match_related=_OURS,
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat"} | _ENDS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_HEARTBEATS_MISSED * every),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message="no heartbeat: the process or its machine is gone",
                force=False,
            )
        ],
    )
    again = Automation(
        name="oodinv: a crashed run is resumed",
        description="Starts the same deployment with the same parameters; what is committed is not done twice.",
        trigger=EventTrigger(
            match=_RUN,
            match_related=_OURS,
            expect={"prefect.flow-run.Crashed"},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            RunDeployment(source="inferred", parameters=_same_parameters(), deployment_id=None, job_variables=None)
        ],
    )
    return [silent, again]


def _same_parameters() -> dict[str, Any]:
    """The crashed run's own, rendered by the server."""
    request = {"__prefect_kind": "jinja", "template": "{{ flow_run.parameters.request | tojson }}"}
    return {"request": {"__prefect_kind": "json", "value": request}}


def register() -> list[str]:
    """Create or update; their names."""
    wanted = automations()
    for automation in wanted:
        # Prefect's methods are typed for both kinds of caller; here they return the automation itself.
        try:
            found = cast(Automation, Automation.read(name=automation.name))
        except ValueError:
            automation.create()
            continue
        automation.id = found.id
        automation.update()
    return [automation.name for automation in wanted]


if __name__ == "__main__":
    for registered in register():
        sys.stdout.write(f"{registered}\n")

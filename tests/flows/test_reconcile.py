"""Which runs their processes have left, and when a series of crashes ends."""

import os
import subprocess
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import StateType

from tasks import reconcile
from tasks.reconcile import BOOT, HOST, MAX_CRASHES, PROCESS, left_by_its_process, signature


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_run_of_this_very_process_is_not_left():
    assert not left_by_its_process(signature())


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({HOST: "another-host"}, False),  # its processes cannot be seen from here
        ({HOST: "another-host", BOOT: "another boot"}, False),
        ({BOOT: "another boot"}, True),  # no process outlives its machine's restart
        ({PROCESS: f"{os.getpid()}@1"}, True),  # the pid was given away again
        ({PROCESS: "nonsense"}, True),
    ],
)
def test_only_a_process_of_this_host_that_is_gone_for_certain_has_left_its_run(changes, left):
    assert left_by_its_process(signature() | changes) is left


def test_a_process_that_has_ended_has_left_its_run():
    assert left_by_its_process(signature() | {PROCESS: f"{dead_pid()}@12345"})


def test_a_run_without_signature_is_left_alone():
    assert not left_by_its_process({}) and not left_by_its_process({HOST: signature()[HOST]})


class Client:
    """Answers what the task asks a server."""

    def __init__(self, created_by, *states):
        self.me = SimpleNamespace(deployment_id=uuid4(), created_by=SimpleNamespace(type=created_by))
        self.states = states

    def read_flow_run(self, run_id):
        return self.me

    def read_flow_runs(self, *, flow_run_filter, sort, limit):
        assert flow_run_filter.deployment_id.any_ == [self.me.deployment_id] and limit == MAX_CRASHES
        return [SimpleNamespace(state_type=state) for state in self.states[:limit]]


CRASHED, DONE = StateType.CRASHED, StateType.COMPLETED


@pytest.mark.parametrize(
    ("created_by", "states", "crashes"),
    [
        ("AUTOMATION", [CRASHED] * 9, MAX_CRASHES),
        ("AUTOMATION", [CRASHED, CRASHED, DONE, CRASHED], 2),
        ("AUTOMATION", [DONE, CRASHED], 0),
        ("AUTOMATION", [], 0),
        ("SCHEDULE", [CRASHED] * 9, 0),  # tomorrow night is always tried
        ("USER", [CRASHED] * 9, 0),
    ],
)
def test_crashes_in_a_row_count_for_runs_that_an_automation_started(created_by, states, crashes):
    assert reconcile._crashes_before(Client(created_by, *states), uuid4()) == crashes

"""The server goes away after the work was done: the work's own verdict stands."""

import httpx
import pytest

from flows import run
from flows.request import AugmentRequest
from flows.run import OrchestratorLost, run_augment
from flows.summary import RunSummary, TooManyFailed

REQUEST = AugmentRequest(source="in", target="out", edits=("smile=+1",))


def summary(failed_share: float) -> RunSummary:
    return RunSummary(
        target="out", shards_done=1, shards_before=0, photos_done=4, num_inputs=4, samples={},
        failed_share=failed_share, given_up={}, report_key=None, sheet_key=None, gallery_key=None, snapshot=1,
        seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def ends_with(monkeypatch):
    def arrange(finished: RunSummary | None) -> None:
        def lost(request):
            raise httpx.ConnectError("refused")

        monkeypatch.setattr(run, "augment", lost)
        monkeypatch.setattr(run, "last_summary", lambda: finished)

    return arrange


def test_a_good_run_stays_good(ends_with):
    ends_with(summary(0.0))
    assert run_augment(REQUEST).photos_done == 4


def test_a_run_with_too_many_failures_does_not_become_a_success(ends_with):
    ends_with(summary(0.5))
    with pytest.raises(TooManyFailed):
        run_augment(REQUEST)


def test_a_run_that_had_not_finished_says_so(ends_with):
    ends_with(None)
    with pytest.raises(OrchestratorLost, match="run the same command again: it resumes"):
        run_augment(REQUEST)

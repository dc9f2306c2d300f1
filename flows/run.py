"""The augment flow, started from a command line."""

import httpx
from prefect.exceptions import PrefectException

from flows.augment import augment, judge, last_summary
from flows.request import AugmentRequest
from flows.summary import RunSummary


class OrchestratorLost(Exception):
    """The Prefect server does not answer. What is committed stands."""


def run_augment(request: AugmentRequest) -> RunSummary:
    """Run the flow; a server that goes away after the work was done does not make it undone.

    Raises:
        OrchestratorLost: The server was away when the run began, or went away before its end.
        RunEndedBadly: Too many photos failed, or shards were given up.
    """
    try:
        summary = augment(request)
    except (httpx.TransportError, httpx.HTTPStatusError, PrefectException, RuntimeError) as error:
        # How Prefect's client says at its first call that nobody answers.
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, httpx.HTTPError):
            raise
        finished = last_summary()
        if finished is not None:
            judge(request, finished)  # what the flow raised may have been lost with the server
            return finished
        raise OrchestratorLost(
            f"the Prefect server does not answer ({str(error)[:200] or type(error).__name__}). What is committed "
            "stands; start the server, or unset PREFECT_API_URL, and run the same command again: it resumes."
        ) from error
    assert summary is not None  # a dry run never comes here
    return summary

"""The evaluation flow, started from a command line."""

import httpx
from prefect.exceptions import PrefectException

from flows.evaluate import evaluate
from flows.evaluate_request import EvaluateRequest
from flows.run import OrchestratorLost
from oodinv.evaluation.write import WrittenEvaluation


def run_evaluation(request: EvaluateRequest) -> WrittenEvaluation:
    """Run the flow.

    Raises:
        OrchestratorLost: The server was away when the run began, or went away before its end.
    """
    try:
        return evaluate(request)
    except (httpx.TransportError, httpx.HTTPStatusError, PrefectException, RuntimeError) as error:
        # How Prefect's client says at its first call that nobody answers.
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, httpx.HTTPError):
            raise
        raise OrchestratorLost(
            f"the Prefect server does not answer ({str(error)[:200] or type(error).__name__}); start the server, or "
            f"unset PREFECT_API_URL, and run the same command again. A table that was finished lies in {request.out}."
        ) from error

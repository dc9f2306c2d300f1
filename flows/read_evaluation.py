"""An evaluation's request from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.evaluate_request import EvaluateRequest
from flows.read_request import RequestError
from oodinv.bundles.bundle import find_bundle
from oodinv.training.data.opening import read_folder

_OPTIONS = {
    "bundles": "--bundle", "datasets": "--dataset", "parts": "--part", "strengths": "--strength", "scales": "--scale",
}  # fmt: skip


def read_evaluation(options: Mapping[str, Any]) -> EvaluateRequest:
    """Check what can be checked before an orchestrator is started for it.

    Raises:
        RequestError: An option is out of range.
        BundleError: A bundle is not there.
        DatasetError: A dataset is not there.
        EvaluationError: Settings contradict each other.
    """
    try:
        request = EvaluateRequest.model_validate(dict(options))
    except ValidationError as error:
        raise RequestError("\n".join(_line(problem) for problem in error.errors())) from error
    request.settings()
    for bundle in request.bundles:
        find_bundle(bundle)
    for option in ("regressor", "lpips", "inception"):
        path = getattr(request, option)
        if path is not None and not Path(path).exists():
            raise RequestError(f"--{option}: there is no file {path}; check the spelling, or leave the option out")
    for folder in request.datasets:
        read_folder(Path(folder))
    return request


def _line(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "request"
    option = _OPTIONS.get(name, "--" + name.replace("_", "-"))
    return f"{option}: {problem['msg'].removeprefix('Value error, ')}, got {str(problem['input'])[:80]!r}"

"""Which errors a user reads as one line, and whose they are. Imports nothing heavy: errors are told by their names."""

from typing import Literal

_USER = {
    "BundleError", "CheckpointError", "DatasetError", "DetectorUnavailable", "EditError", "EvaluationError",
    "FolderInUse", "LedgerError", "LocationError", "NoOffscreenGl", "PhotoCommandError", "PhotoError",
    "PickleRefused", "PortraitsError", "RequestError", "TrainingDiverged", "TrainingError",
}  # fmt: skip
_INFRASTRUCTURE = {
    "BooksBroken", "ClusterLost", "ClusterUnavailable", "Fatal", "NothingDone", "ObjectMissing", "OrchestratorLost",
    "OutcomeUnknown", "PartInvalid", "StoreError", "DiskFull", "TrainingStopped",
}  # fmt: skip


def describe(error: BaseException) -> tuple[Literal["user", "infrastructure"], str] | None:
    """Kind and text of a known error; None for anything else, which is a bug and keeps its traceback.

    An orchestrator may wrap what a task raised; the causes are looked through.
    """
    seen: BaseException | None = error
    while seen is not None:
        names = [cls.__name__ for cls in type(seen).__mro__ if cls.__module__.split(".")[0] in ("oodinv", "flows")]
        if any(name in _INFRASTRUCTURE for name in names):
            return "infrastructure", str(seen)
        if any(name in _USER for name in names) or isinstance(seen, ImportError):
            return "user", str(seen)
        seen = seen.__cause__
    return None

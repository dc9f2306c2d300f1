"""Whether what is measured was kept apart from what it is measured with."""

from collections.abc import Mapping

from oodinv.bundles.bundle import Bundle
from oodinv.bundles.spec import BundleSpec
from oodinv.evaluation.judges import Judges
from oodinv.training.data import Dataset
from oodinv.training.seen import Seen

INDEPENDENT = "another than the one that made the directions"
SAME = "the one that made the directions: it judges its own work"
UNKNOWN = "not known to be another than the one that made the directions: the bundle does not tell"


def independence(spec: BundleSpec, judges: Judges) -> str:
    """`INDEPENDENT`, `SAME` or `UNKNOWN`: the regressor, beside what a bundle records as `regressor_sha256`."""
    recorded = spec.directions.regressor_sha256
    if recorded is None or judges.regressor_sha256 is None:
        return UNKNOWN
    return SAME if recorded == judges.regressor_sha256 else INDEPENDENT


def fact(bundle: str) -> str:
    """Name of the protocol's fact about a bundle."""
    return f"regressor for {bundle}"


def seen_before(bundle: Bundle, datasets: Mapping[str, Dataset]) -> list[str]:
    """What of each dataset the bundle says that its networks were trained on; empty = nothing, or it does not say.

    Raises:
        TrainingError: The bundle's file is damaged.
    """
    seen = None if bundle.spec.seen is None else Seen.read(bundle.folder)
    shared = {name: "" if seen is None else seen.shared_with(data) for name, data in datasets.items()}
    return [f"NOT HELD OUT: trained on {what} of dataset {name}" for name, what in shared.items() if what]

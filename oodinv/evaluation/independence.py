"""Whether who judges edits had a part in making them."""

from oodinv.bundles.spec import BundleSpec
from oodinv.evaluation.judges import Judges

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

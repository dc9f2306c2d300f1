"""Whether who judges edits had a part in making them."""

import re

from oodinv.bundles.spec import BundleSpec
from oodinv.evaluation.judges import Judges

INDEPENDENT = "another than the one that made the directions"
SAME = "the one that made the directions: it judges its own work"
UNKNOWN = "not known to be another than the one that made the directions: the bundle does not tell"
_TOLD = re.compile(r"regressor_sha256\W{1,4}([0-9a-f]{64})\b")


def independence(spec: BundleSpec, judges: Judges) -> str:
    """`INDEPENDENT`, `SAME` or `UNKNOWN`: the regressor, beside what a bundle records as `regressor_sha256`."""
    recorded = getattr(spec.directions, "regressor_sha256", None)
    if recorded is None and (match := _TOLD.search(spec.provenance)):
        recorded = match[1]
    if recorded is None or judges.regressor_sha256 is None:
        return UNKNOWN
    return SAME if recorded == judges.regressor_sha256 else INDEPENDENT


def fact(bundle: str) -> str:
    """Name of the protocol's fact about a bundle."""
    return f"regressor for {bundle}"

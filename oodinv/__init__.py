"""Out-of-domain GAN inversion as a library: photos to edited photos, bundle by bundle, shard by shard."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oodinv.bundles.inverter import Inverter
    from oodinv.edits import Edit

__all__ = ["Edit", "Inverter", "__version__"]
__version__ = "0.1.0"

# On first use, so that `import oodinv` costs nothing: torch alone takes over a second to import.
_HOMES = {"Inverter": "oodinv.bundles.inverter", "Edit": "oodinv.edits"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'oodinv' has no attribute {name!r}")

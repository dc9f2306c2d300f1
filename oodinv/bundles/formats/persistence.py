"""The pickles of NVlabs: modules with their own source code inside. Here the tensors are kept and the source is text.

A module is pickled as a call of `torch_utils.persistence._reconstruct_persistent_obj` with a dictionary that holds its
source, which NVlabs' reader executes. The stand-in below takes the names and tensors out of it, nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from oodinv.safe_pickle import PickleRefused, StandIns

_DEEPEST = 12


@dataclass(frozen=True, kw_only=True)
class PickledModule:
    """A module as data."""

    class_name: str
    state: Mapping[str, Any] = field(repr=False)

    def tensors(self, prefix: str = "", depth: int = 0) -> dict[str, Tensor]:
        """Parameters and buffers of the module and what is in it, under dotted names.

        Raises:
            PickleRefused: Modules inside each other without end.
        """
        if depth > _DEEPEST:
            raise PickleRefused(f"its modules are nested more than {_DEEPEST} deep")
        found = {}
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self._part(kind).items():
                if isinstance(tensor, Tensor):
                    found[f"{prefix}{name}"] = tensor
        for name, module in self.modules().items():
            found |= module.tensors(f"{prefix}{name}.", depth + 1)
        return found

    def __setstate__(self, state: Any) -> None:
        """The rest of the pickle cannot change what was read.

        Raises:
            PickleRefused: It tries.
        """
        raise PickleRefused("it changes a module after it was made")

    def modules(self) -> dict[str, "PickledModule"]:
        """What is directly in it."""
        return {name: module for name, module in self._part("_modules").items() if isinstance(module, PickledModule)}

    def _part(self, kind: str) -> dict[str, Any]:
        part = self.state.get(kind)
        # A copy of a dictionary has no attributes that a pickle could have put in place of its methods.
        return {str(name): value for name, value in dict(part).items()} if isinstance(part, dict) else {}


def stand_ins() -> StandIns:
    """Names NVlabs' pickles use, for `safe_pickle.load`; made anew for every file."""

    class EasyDict(dict[Any, Any]):
        """A dictionary; a subclass so that it may be given attributes."""

    return {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _as_data,
        ("dnnlib.util", "EasyDict"): EasyDict,
        ("dnnlib", "EasyDict"): EasyDict,
    }


def _as_data(meta: Any) -> PickledModule:
    meta = dict(meta) if isinstance(meta, dict) else {}
    if not isinstance(meta.get("state"), dict):
        raise PickleRefused("a module in it has no state")
    return PickledModule(class_name=str(meta.get("class_name"))[:80], state=dict(meta["state"]))

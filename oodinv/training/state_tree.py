"""A nested state as JSON and a table of tensors, and back.

Tensors become `{"$": "tensor", "at": key}`; dictionaries whose keys are not all plain text, and tuples, are marked
likewise, since JSON has neither.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

State = Mapping[str, Any]
"""Tensors, numbers, text, None, and dictionaries, lists and tuples of these."""


def take_apart(state: State) -> tuple[Any, dict[str, Tensor]]:
    """JSON that refers to tensors, and the tensors.

    Raises:
        TypeError: Something else is in the state.
    """
    tensors: dict[str, Tensor] = {}
    return _to_json(state, "", tensors), tensors


def put_together(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The nested state of a tree made by `take_apart`.

    Raises:
        KeyError: The tree refers to a tensor that is not there.
    """
    if isinstance(tree, list):
        return [put_together(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree.get("$"):
        case "tensor":
            return tensors[tree["at"]]
        case "tuple":
            return tuple(put_together(item, tensors) for item in tree["items"])
        case "map":
            return {key: put_together(value, tensors) for key, value in tree["items"]}
    return {key: put_together(value, tensors) for key, value in tree.items()}


def _to_json(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[where] = value.detach()
        return {"$": "tensor", "at": where}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_to_json(item, f"{where}/{index}", tensors) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$": "tuple", "items": items}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key != "$" for key in value):
            return {key: _to_json(item, f"{where}/{key}", tensors) for key, item in value.items()}
        if all(isinstance(key, str | int) for key in value):
            items = [[key, _to_json(item, f"{where}/{key!r}", tensors)] for key, item in value.items()]
            return {"$": "map", "items": items}
    raise TypeError(f"a state holds tensors, numbers and text, got {type(value).__name__} at {where or 'its root'}")

"""A training's configuration from a file and `--set`, checked against the dataclasses that say what there is."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from flows.read_request import RequestError


def read_settings(path: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Nested settings of a YAML file, with assignments like `training.batch=16` over them.

    Raises:
        RequestError: The file is not a mapping, or an assignment is none.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RequestError(f"{path} is not readable: {str(error)[:300]}") from error
        if not isinstance(settings, dict):
            raise RequestError(
                f"{path} must hold settings like `training: {{batch: 16}}`, got {type(settings).__name__}"
            )
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise RequestError(f"--set takes NAME=VALUE, such as training.batch=16, got {assignment!r:.100}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RequestError(f"--set {name}: {text!r:.80} is not readable: {str(error)[:200]}") from error
        *way, last = name.split(".")
        inner = settings
        for part in way:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise RequestError(f"--set {name}: {part} holds no settings")
        inner[last] = value
    return settings


def configured(kind: type, settings: Mapping[str, Any]) -> Any:
    """The configuration with its defaults, changed by settings.

    Args:
        kind: A dataclass, maybe of dataclasses, all fields of which have defaults.
        settings: As `read_settings` gives them.

    Raises:
        RequestError: A setting is unknown, of another type, or out of range.
    """
    presets = get_args(get_type_hints(kind).get("preset"))
    # A preset changes the defaults of everything beside it.
    chosen = {"preset": settings["preset"]} if presets and "preset" in settings else {}
    if chosen and chosen["preset"] not in presets:
        raise RequestError(f"setting preset: expected one of {', '.join(presets)}, got {str(chosen['preset'])[:80]!r}")
    merged = _merged(dataclasses.asdict(kind(**chosen)), settings, kind, "")
    try:
        return TypeAdapter(kind).validate_python(merged)
    except ValidationError as error:
        raise RequestError(
            "\n".join(
                f"setting {'.'.join(str(part) for part in problem['loc'])}: "
                f"{problem['msg'].removeprefix('Value error, ')}, got {str(problem['input'])[:80]!r}"
                for problem in error.errors()
            )
        ) from error


def _merged(defaults: dict[str, Any], settings: Mapping[str, Any], kind: type, where: str) -> dict[str, Any]:
    hints = get_type_hints(kind)
    merged = dict(defaults)
    for name, value in settings.items():
        if name not in hints:
            raise RequestError(f"unknown setting {where + str(name)!r}: expected some of {', '.join(hints)}")
        inner = _dataclass(hints[name])
        if isinstance(value, float) and not math.isfinite(value):
            raise RequestError(f"setting {where + str(name)}: expected a finite number, got {value}")
        if inner is not None and isinstance(value, Mapping):
            value = _merged(defaults.get(name) or {}, value, inner, f"{where}{name}.")
        elif isinstance(value, list):
            _check_items(value, hints[name], f"{where}{name}")
        merged[name] = value
    return merged


def _check_items(items: list[Any], hint: Any, where: str) -> None:
    inner = next((found for arg in get_args(hint) if (found := _dataclass(arg)) is not None), None)
    for number, item in enumerate(items):
        if inner is not None and isinstance(item, Mapping):
            _merged({}, item, inner, f"{where}.{number}.")


def _dataclass(hint: Any) -> type | None:
    if get_origin(hint) in (Union, UnionType):
        return next((found for arg in get_args(hint) if (found := _dataclass(arg)) is not None), None)
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None

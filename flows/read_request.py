"""A request from a file and the command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from flows.request import AugmentRequest

Request = TypeVar("Request", bound=BaseModel)


class RequestError(ValueError):
    """The request cannot be read; the message says which field and what was expected."""


def read_request(path: Path | None, options: Mapping[str, Any]) -> AugmentRequest:
    """Merge a request file with options; options win.

    Raises:
        RequestError: The file is not a mapping, or a field is missing, unknown or out of range.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            loaded = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RequestError(f"{path} is not readable: {str(error)[:300]}") from error
        if not isinstance(loaded, dict):
            raise RequestError(f"{path} must hold fields like `source: photos`, got {type(loaded).__name__}")
        fields = loaded
    return checked(AugmentRequest, fields | dict(options))


def checked(model: type[Request], fields: Mapping[str, Any]) -> Request:
    """A request of these fields.

    Raises:
        RequestError: A field is missing, unknown or out of range.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RequestError("\n".join(_line(problem, model) for problem in error.errors())) from error


def _line(problem: Any, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "request"
    option = {"edits": "--edit"}.get(name, "--" + name.replace("_", "-"))
    if problem["type"] == "missing":
        return f"{option} is needed"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {name!r}: expected some of {', '.join(model.model_fields)}"
    return f"{option}: {problem['msg'].removeprefix('Value error, ')}, got {str(problem['input'])[:80]!r}"

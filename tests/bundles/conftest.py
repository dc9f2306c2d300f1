import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bundle(tiny_bundle, tmp_path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def change(bundle) -> Callable[[Callable[[dict[str, Any]], object]], None]:
    """Change `bundle.json`: the function gets its content."""

    def apply(edit: Callable[[dict[str, Any]], object]) -> None:
        path = bundle / "bundle.json"
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))

    return apply


@pytest.fixture
def put(bundle, change) -> Callable[[str, bytes], None]:
    """Replace a part's weights file, with the hash that belongs to it."""

    def apply(part: str, data: bytes) -> None:
        (bundle / f"{part}.safetensors").write_bytes(data)
        change(lambda content: content[part].update(sha256=sha256(data).hexdigest()))

    return apply

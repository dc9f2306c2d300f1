"""Where a number was measured."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("oodinv", "torch", "numpy", "pillow", "safetensors")


def machine_facts(device: str) -> dict[str, str]:
    """Date, processor, GPU and versions."""
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{_processor()}, {torch.get_num_threads()} threads",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "device": device,
    }
    if torch.device(device).type == "cuda":
        facts["device"] += f" ({torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda})"
    return facts


@contextmanager
def without_tf32() -> Iterator[None]:
    """Real float32 within: CUDA otherwise rounds what goes into convolutions to 10 bits of mantissa (TF32)."""
    places: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [place.allow_tf32 for place in places]
    for place in places:
        place.allow_tf32 = False
    try:
        yield
    finally:
        for place, allowed in zip(places, before, strict=True):
            place.allow_tf32 = allowed


def _version(name: str) -> str:
    if name == "torch":
        return str(torch.__version__)
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"

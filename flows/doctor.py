"""What this machine has, and what is missing for what."""

import importlib.util
import os
import platform
from collections.abc import Callable


def examine() -> tuple[bool, str]:
    """Look at everything a run needs.

    Returns:
        Whether `oodinv augment` can run, and a text of one line per thing.
    """
    needed: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("torch", _torch),
        ("embedded bundle", _bundle),
        ("centerface detector", lambda: _detector("centerface")),
        ("ray", lambda: _version("ray")),
        ("prefect", lambda: _version("prefect")),
    ]
    optional: list[tuple[str, Callable[[], str]]] = [
        ("face-alignment detector", lambda: _detector("face-alignment")),
        ("portrait studio", _studio),
    ]
    lines, ok = [], True
    for required, things in ((True, needed), (False, optional)):
        for name, look in things:
            try:
                lines.append(f"ok       {name}: {look()}")
            except Exception as error:
                ok = ok and not required
                lines.append(f"{'MISSING' if required else 'absent '}  {name}: {str(error) or type(error).__name__}")
    return ok, "\n".join(lines)


def _python() -> str:
    return f"{platform.python_version()}, {os.cpu_count()} processors"


def _torch() -> str:
    import torch

    gpus = f"{torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "no GPU, computing on the CPU"
    return f"{torch.__version__}, {gpus}"


def _bundle() -> str:
    from oodinv.bundles.describe import verify_bundle

    return verify_bundle("embedded")


def _detector(name: str) -> str:
    from oodinv.faces import load_detector

    return f"weights {load_detector(name).weights_sha256[:12]}"


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _studio() -> str:
    missing = [name for name in ("anny", "vtk") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"packages {missing} are not installed: pip install 'oodinv[portraits]'")
    return "installed"

"""Open a checkpoint that somebody else wrote. Nothing it names is imported or called."""

import argparse
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from oodinv import safe_pickle
from oodinv.bundles.formats.persistence import stand_ins
from oodinv.bundles.spec import BundleError

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""A pickled magic number: what `torch.save` began a file with before it wrote zip archives."""

_SYSTEM = {"os", "posix", "nt", "builtins", "__builtin__", "subprocess", "sys", "importlib", "shutil", "runpy"}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A file's content: plain data and tensors on the CPU, as far as possible not yet read from the disk."""

    path: Path
    sha256: str
    content: Any = field(repr=False)

    @property
    def name(self) -> str:
        """For errors and cards."""
        return self.path.name


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a `.pt`, `.pth` or `.pkl`; which of them it is, is told by its first bytes.

    Raises:
        BundleError: Not there, not a checkpoint, truncated, or wanting code.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}; check the spelling") from error
    _refuse_what_is_no_checkpoint(path.name, head)
    if head.startswith(_PICKLE) and not head.startswith(_OLD_TORCH):
        content = _read_pickle(path)
    else:
        content = _read_torch(path, mapped=head.startswith(_ZIP))
    return Checkpoint(path=path, sha256=digest, content=content)


def _refuse_what_is_no_checkpoint(name: str, head: bytes) -> None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise BundleError(f"{name} is empty: download it again")
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise BundleError(
            f"{name} is a web page, not a checkpoint: the download failed (a quota, a login or a moved file). "
            "Open the link in a browser and download the file itself"
        )
    if text.startswith(b"version https://git-lfs"):
        raise BundleError(
            f"{name} is a git-lfs pointer, not the checkpoint: run `git lfs pull` in the repository it came from"
        )
    if head.startswith(b"\x93NUMPY"):
        raise BundleError(f"{name} is a numpy array, not a network: a direction is passed as --direction NAME=FILE")
    if not head.startswith((_ZIP, _PICKLE)):
        raise BundleError(
            f"{name} is not a checkpoint: expected what torch.save wrote (.pt, .pth) or a NVlabs network (.pkl), it "
            f"begins with {head[:12]!r}"
        )


def _read_torch(path: Path, *, mapped: bool) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError as error:
        raise BundleError(f"{path.name} asks for more memory than there is: it is damaged or hostile") from error
    except Exception as error:  # a foreign archive or pickle fails in any way it likes
        raise _told(path.name, str(error)) from error


def _told(name: str, text: str) -> BundleError:
    named = re.search(r"(?:GLOBAL|Unsupported class|function) ([\w.]+)", text)
    if named is not None:
        path = named.group(1)
        return wants_code(name, path if "." in path else f"builtins.{path}")
    if "TorchScript" in text:
        return BundleError(f"{name} is a TorchScript archive, which is code: expected a state dict from torch.save")
    reason = (text.strip().splitlines() or ["no reason given"])[0][:120]
    return BundleError(
        f"{name} is truncated, damaged or another kind of archive ({reason}): download it again, and unpack it if it "
        "is a zip of several files"
    )


def wants_code(name: str, named: str) -> BundleError:
    """The refusal of a file that names a function or class."""
    text = f"{name} names {named}, which is code and is never loaded"
    if named.split(".")[0] in _SYSTEM:
        return BundleError(f"{text}: the file is hostile, delete it")
    return BundleError(
        f"{text}: it was saved as a whole Python object (PTI's tuned generators are). Ask for the state dict, or, "
        "where the file is trusted and its code is at hand, save one: torch.save(module.state_dict(), 'weights.pt')"
    )


def _read_pickle(path: Path) -> Any:
    try:
        return safe_pickle.load(path, stand_ins=stand_ins())
    except safe_pickle.CodeRefused as error:
        if error.named.startswith("dnnlib.tflib"):
            raise BundleError(
                f"{path.name} is a network of the TensorFlow version of StyleGAN2: convert it with the legacy.py of "
                "NVlabs' stylegan2-ada-pytorch (python legacy.py --source=… --dest=…) and import what that writes"
            ) from error
        raise wants_code(path.name, error.named) from error
    except safe_pickle.PickleRefused as error:
        raise BundleError(f"{path.name} cannot be read as a NVlabs network: {error}") from error

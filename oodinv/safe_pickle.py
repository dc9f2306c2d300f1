"""Read pickles for the numbers in them: plain data, numpy arrays and torch tensors. Nothing else is ever loaded.

A pickle is a program. Here a name in it is looked up in a table of stand-ins written for this purpose; nothing is
imported, called or executed because a file names it. NumPy and PyTorch are imported when the file has theirs.

Convention: stand-ins that are not in the caller's table are made anew for every file, so that no file can leave a
change behind in them.
"""

import math
import mmap
import pickle
import pickletools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

StandIns = Mapping[tuple[str, str], Any]
"""(module, name) in the pickle to what is used in its place: a function, or `dict` for a subclass of it."""

_PLAIN_KINDS = "biufcSU"
_LARGEST_EXPANSION = 2**26
_OTHER_WAYS_TO_NAME = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER"}


class PickleRefused(Exception):
    """The pickle is damaged, or wants something that is not data."""


class CodeRefused(PickleRefused):
    """The pickle names a function or class that is not data; `named` says which."""

    def __init__(self, module: str, name: str):
        super().__init__(
            f"it names {module}.{name}, which is code and is never loaded: expected only numbers, text, lists, "
            "dictionaries, numpy arrays and torch tensors"
        )
        self.named = f"{module}.{name}"


def load(source: Path | BinaryIO | bytes, *, stand_ins: StandIns | None = None) -> Any:
    """Read the first pickle of a source.

    Arrays and tensors may be of a subclass (`numpy.asarray` and any operation give a plain one); tensors are on the
    CPU, parameters are tensors.

    Args:
        source: A file, its bytes, or an open binary file, read from its position to its end.
        stand_ins: What is allowed besides; entries win over the built-in ones.

    Raises:
        CodeRefused: A name is in neither table.
        PickleRefused: Truncated, damaged, or larger than memory.
        OSError: The file cannot be read.
    """
    if isinstance(source, Path):
        with open(source, "rb") as file:
            if source.stat().st_size == 0:
                raise PickleRefused("the file is empty")
            # Mapped: what a hostile length asks for is bounded by the file, and large files are not read twice.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return _load(mapped, stand_ins or {})
    return _load(BytesIO(source if isinstance(source, bytes) else source.read()), stand_ins or {})


def _load(file: Any, stand_ins: StandIns) -> Any:
    start = file.tell()
    try:
        _scan(file)
        file.seek(start)
        with warnings.catch_warnings():  # about old formats inside; what does not fit is refused, not warned about
            warnings.simplefilter("ignore")
            return _Reader(file, stand_ins).load()
    except PickleRefused:
        raise
    except MemoryError as error:
        raise PickleRefused("it asks for more memory than there is: the file is damaged or hostile") from error
    except Exception as error:  # a damaged pickle raises whatever its next byte means
        raise PickleRefused(f"it is not a whole pickle ({type(error).__name__}: {error})") from error


def _scan(file: Any) -> None:
    """Refuse what would hurt already while it is read: memo numbers that ask for memory, objects named by number."""
    for count, (opcode, arg, _) in enumerate(pickletools.genops(file), start=1):
        if opcode.name in _OTHER_WAYS_TO_NAME:
            raise PickleRefused(f"it holds {opcode.name}, a reference to something outside the file")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(arg or 0) <= count:
            raise PickleRefused(f"entry {arg} of its memo comes before {count} others: the file is damaged or hostile")


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, stand_ins: StandIns):
        super().__init__(file, encoding="latin1")  # old pickles keep the bytes of arrays in strings
        self._table: dict[tuple[str, str], Any] = _plain_table()
        self._given = {name: value if isinstance(value, type) else _fresh(value) for name, value in stand_ins.items()}
        self._lazy: list[tuple[str, Callable[[], dict[tuple[str, str], Any]]]] = [
            ("numpy", _numpy_table),
            ("torch", _torch_table),
        ]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._given:
            return self._given[module, name]
        for entry in list(self._lazy):
            if module.split(".")[0] == entry[0]:
                self._lazy.remove(entry)
                self._table |= entry[1]()
        if (module, name) not in self._table:
            raise CodeRefused(module, name)
        return self._table[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise PickleRefused(f"it refers to {str(pid)[:60]!r} outside the file")


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """A new function for each file: a pickle can set attributes of what it names."""
    return lambda *args, **kwargs: function(*args, **kwargs)


def _plain_table() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {("collections", "OrderedDict"): OrderedDict}
    for module in ("builtins", "__builtin__"):
        table[module, "set"] = _fresh(lambda items=(): set(_expect(items, list)))
        table[module, "frozenset"] = _fresh(lambda items=(): frozenset(_expect(items, list)))
        table[module, "bytes"] = _fresh(lambda raw=b"": _as_bytes(raw))
        table[module, "bytearray"] = _fresh(lambda raw=b"", *_: bytearray(_as_bytes(raw)))
        table[module, "complex"] = _fresh(lambda real, imag: complex(_expect(real, float), _expect(imag, float)))
    # Bytes in pickles of protocol 2 and lower.
    table["_codecs", "encode"] = _fresh(lambda text, *_: _expect(text, str).encode("latin1"))
    return table


def _expect(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise PickleRefused(f"expected {kind}, it holds {type(value).__name__}")
    return value


def _as_bytes(raw: Any) -> bytes:
    return raw.encode("latin1") if isinstance(raw, str) else bytes(_expect(raw, (bytes, bytearray)))


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(_expect(value, int) for value in _expect(values, (tuple, list)))
    if any(size < 0 for size in sizes):
        raise PickleRefused(f"a shape or stride is negative: {sizes}")
    return sizes


def _numpy_table() -> dict[tuple[str, str], Any]:
    import numpy as np

    class Dtype:
        """A dtype of plain numbers or text; structured ones could make numpy read addresses from the file."""

        def __init__(self, code: Any):
            self.dtype = np.dtype(_expect(code, str))
            if self.dtype.kind not in _PLAIN_KINDS + "O" or self.dtype.names is not None or self.dtype.subdtype:
                raise PickleRefused(f"it holds an array of {code!r}, expected plain numbers")

        def __setstate__(self, state: Any) -> None:
            _, order, subdtype, names, fields, *_ = _expect(state, tuple)
            if subdtype is not None or names is not None or fields is not None:
                raise PickleRefused("it holds a structured array, expected plain numbers")
            if order in ("<", ">"):
                self.dtype = self.dtype.newbyteorder(order)

    class Array(np.ndarray):
        def __setstate__(self, state: Any) -> None:
            *_, shape, dtype, fortran, raw = _expect(state, tuple)
            shape, dtype = _sizes(shape), _expect(dtype, Dtype).dtype
            raw = _expect(raw, list) if dtype.kind == "O" else _as_bytes(raw)
            wanted = math.prod(shape) * (1 if dtype.kind == "O" else dtype.itemsize)
            if len(raw) != wanted:
                raise PickleRefused(f"an array of shape {shape} needs {wanted} bytes, it holds {len(raw)}")
            super().__setstate__((1, shape, dtype, bool(fortran), raw))  # type: ignore[arg-type]

    def reconstruct(*_: Any) -> np.ndarray:
        return Array((0,), np.int8)

    def from_buffer(raw: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> np.ndarray:
        dtype = _expect(dtype, Dtype).dtype
        if dtype.kind == "O":
            raise PickleRefused("it holds objects as bytes")
        return np.frombuffer(_as_bytes(raw), dtype).reshape(_sizes(shape), order="F" if order == "F" else "C").copy()

    def scalar(dtype: Any, raw: Any) -> Any:
        return from_buffer(raw, dtype, (), "C")[()]

    table: dict[tuple[str, str], Any] = {
        ("numpy", "dtype"): _fresh(lambda code, *_: Dtype(code)),
        ("numpy", "ndarray"): "numpy.ndarray",  # only ever an argument of _reconstruct
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = reconstruct
        table[f"{core}.multiarray", "scalar"] = scalar
        table[f"{core}.numeric", "_frombuffer"] = from_buffer
    return table


def _torch_table() -> dict[tuple[str, str], Any]:
    import torch

    class Sealed(torch.Tensor):
        """A tensor that the rest of the pickle cannot point at other memory; whatever is computed with it is plain."""

        __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

        def __setstate__(self, state: Any) -> None:
            raise PickleRefused("it changes a tensor after it was made")

    class Stored:
        __slots__ = ("storage",)

        def __init__(self, raw: Any):
            self.storage = torch.load(BytesIO(_as_bytes(raw)), map_location="cpu", weights_only=True)
            _expect(self.storage, torch.storage.TypedStorage)

        def __setstate__(self, state: Any) -> None:
            raise PickleRefused("it changes a storage after it was made")

    def tensor(source: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
        storage = _expect(source, Stored).storage
        flat = torch.tensor([], dtype=storage.dtype).set_(storage)
        size, stride, (offset,) = _sizes(size), _sizes(stride), _sizes([offset])
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (count and last >= len(flat)) or count > max(len(flat), _LARGEST_EXPANSION):
            raise PickleRefused(f"a tensor of shape {size} does not fit the {len(flat)} numbers stored for it")
        return torch.as_strided(flat, size, stride, offset).as_subclass(Sealed)

    return {
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): _fresh(lambda data, *_: _expect(data, torch.Tensor)),
        ("torch.storage", "_load_from_bytes"): _fresh(Stored),
        ("torch", "Size"): _fresh(lambda sizes=(): _sizes(sizes)),
    }

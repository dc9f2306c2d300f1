"""Pickles are read for their numbers only."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from oodinv.safe_pickle import CodeRefused, PickleRefused, load

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


class Calls:
    """Pickles to a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_comes_back_as_it_was(protocol):
    data = {"a": [1, 2.5, None, True, "text", b"bytes"], "b": OrderedDict(x=(1, {2, 3})), "c": bytearray(b"q"), 1: 3j}
    assert load(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(5, dtype=">i4"),
        np.array(["a", "bc"]),
        np.zeros((0, 512)),
        np.array([True, False]),
    ],
)
def test_arrays_come_back_as_they_were(protocol, array):
    found = load(pickle.dumps([array, np.float64(0.1)], protocol))
    np.testing.assert_array_equal(found[0], array)
    assert found[0].dtype.newbyteorder("=") == array.dtype.newbyteorder("=") and found[1] == np.float64(0.1)


def test_an_array_of_arrays_comes_back_as_it_was():
    array = np.empty(2, dtype=object)
    array[0], array[1] = np.arange(3), {"k": np.arange(2)}
    found = load(pickle.dumps(array))
    np.testing.assert_array_equal(found[1]["k"], [0, 1])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_and_parameters_come_back_as_they_were(protocol):
    base = torch.arange(24.0).reshape(4, 6)
    data = {
        "view": base[1:3, ::2].t(),
        "half": base.half(),
        "parameter": torch.nn.Parameter(base),
        "n": torch.tensor(3),
    }
    found = load(pickle.dumps(data, protocol))
    for key, tensor in data.items():
        torch.testing.assert_close(found[key].detach(), tensor.detach(), rtol=0, atol=0)
        assert type(found[key] + 0) is torch.Tensor


def test_a_file_and_an_open_file_are_read(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(b"header" + pickle.dumps([1, 2]))
    with open(path, "rb") as file:
        file.read(6)
        assert load(file) == [1, 2]
    path.write_bytes(pickle.dumps({"a": np.ones(3)}))
    assert load(path)["a"].sum() == 3


@pytest.mark.parametrize("function", [os.system, exec, eval, open, getattr, __import__, compile, Path, io.BytesIO])
def test_a_call_is_refused_by_name_and_not_made(tmp_path, function):
    target = tmp_path / "written"
    raw = pickle.dumps(Calls(function, f"touch {target}"))
    with pytest.raises(CodeRefused, match=f"names .*{function.__name__}.* never loaded"):
        load(raw)
    assert not target.exists()


def test_nothing_is_imported_for_a_name(tmp_path, monkeypatch):
    (tmp_path / "hostile_module.py").write_text(f"open({str(tmp_path / 'written')!r}, 'w')\nthing = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CodeRefused, match=r"hostile_module\.thing"):
        load(b"chostile_module\nthing\n.")
    with pytest.raises(CodeRefused, match=r"numpy\.hostile"):
        load(b"cnumpy.hostile\nthing\n.")
    assert not (tmp_path / "written").exists()


def test_a_dotted_name_does_not_reach_through_an_allowed_one():
    raw = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93."
    with pytest.raises(CodeRefused, match=r"OrderedDict\.fromkeys"):
        load(raw)


def test_code_inside_a_tensors_bytes_is_not_run(tmp_path):
    target = tmp_path / "written"
    buffer = io.BytesIO()
    torch.save(Calls(os.system, f"touch {target}"), buffer)
    raw = pickle.dumps(Calls(torch.storage._load_from_bytes, buffer.getvalue()))
    with pytest.raises(PickleRefused):
        load(raw)
    assert not target.exists()


def test_a_caller_may_allow_more():
    raw = b"cdnnlib.util\nEasyDict\n)\x81}(X\x01\x00\x00\x00kK\x05ub."
    with pytest.raises(CodeRefused, match=r"dnnlib\.util\.EasyDict"):
        load(raw)
    assert load(
        b"cdnnlib.util\nEasyDict\n)\x81X\x01\x00\x00\x00kK\x05s.", stand_ins={("dnnlib.util", "EasyDict"): dict}
    ) == {"k": 5}
    seen = load(b"cmine\nf\nK\x07\x85R.", stand_ins={("mine", "f"): lambda x: ("seen", x)})
    assert seen == ("seen", 7)


def test_a_file_cannot_change_a_stand_in():
    def allowed(x=1):
        return x

    # BUILD with (None, {"__defaults__": (9,)}) sets the attribute of what it names.
    raw = b"cmine\nf\n(N}X\x0c\x00\x00\x00__defaults__K\x09\x85stb."
    load(raw, stand_ins={("mine", "f"): allowed})
    assert allowed() == 1


def test_a_structured_array_is_refused():
    array = np.zeros(2, dtype=[("a", "f4"), ("b", "O")])
    with pytest.raises(PickleRefused, match="plain numbers"):
        load(pickle.dumps(array))


def test_an_array_larger_than_its_bytes_is_refused():
    raw = pickle.dumps(np.zeros(3, np.uint8), 2)
    hostile = raw.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    assert hostile != raw
    with pytest.raises(PickleRefused, match="needs 2147483647 bytes, it holds 3"):
        load(hostile)


def test_a_tensor_larger_than_its_storage_is_refused():
    class Larger:
        def __init__(self, size, stride):
            self.args = (torch.zeros(4).storage(), 0, size, stride, False, OrderedDict())

        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, self.args

    for size, stride in [((5,), (1,)), ((2, 3), (3, 1)), ((2**40,), (0,)), ((-1,), (1,)), ((2,), (-1,))]:
        with pytest.raises(PickleRefused, match=r"does not fit|negative"):
            load(pickle.dumps(Larger(size, stride)))
    assert load(pickle.dumps(Larger((2, 2), (2, 1)))).shape == (2, 2)


def test_a_number_in_the_memo_does_not_allocate():
    raw = b"\x80\x02K\x01r\xff\xff\xff\x7f."
    with pytest.raises(PickleRefused, match="memo"):
        load(raw)


def test_lengths_beyond_the_file_are_refused(tmp_path):
    raw = b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"abc."
    path = tmp_path / "long.pkl"
    path.write_bytes(raw)
    for source in (raw, path):
        with pytest.raises(PickleRefused, match=r"not a whole pickle|more memory"):
            load(source)


def test_every_truncation_is_refused():
    raw = pickle.dumps({"a": np.arange(3.0), "b": [1, "x"]}, 4)
    load(raw)
    for end in range(len(raw)):
        with pytest.raises(PickleRefused):
            load(raw[:end])


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.pkl").touch()
    with pytest.raises(PickleRefused, match="empty"):
        load(tmp_path / "empty.pkl")


@pytest.mark.parametrize("raw", [b"\x80\x02\x82\x01.", b"\x80\x02Pname\n.", b"\x80\x02K\x01Q."])
def test_references_out_of_the_file_are_refused(raw):
    with pytest.raises(PickleRefused, match="outside the file"):
        load(raw)


def test_a_tensor_cannot_be_changed_once_it_is_made():
    raw = pickle.dumps(torch.zeros(4), 2)
    # BUILD with (the tensor itself, 0, (9,), (1,)), the state of old pickles: it would be pointed at other memory.
    with pytest.raises(PickleRefused, match="changes a tensor"):
        load(raw[:-1] + b"(NK\x00K\x09\x85K\x01\x85tb.")
    with pytest.raises(PickleRefused, match="changes a tensor"):
        load(raw[:-1] + b"}X\x06\x00\x00\x00detachK\x05sb.")


def test_no_damage_does_anything_but_be_refused():
    """Every changed byte gives either data or this one error."""
    data = {"a": np.arange(6.0).reshape(2, 3), "t": torch.arange(3.0), "o": OrderedDict(x=[1, "y", {2}]), "b": b"raw"}
    raw = pickle.dumps(data, 4)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(raw)
        for place in rng.integers(len(raw), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        try:
            load(bytes(changed))
        except PickleRefused:
            refused += 1
    assert 100 < refused < 400

import json
import os

import pytest
import torch

from oodinv.training.checkpoint import Checkpoints
from oodinv.training.errors import CheckpointError

STATE = {
    "layer": {"weight": torch.arange(24.0).view(2, 3, 2, 2), "count": torch.tensor(3, dtype=torch.int64)},
    "adam": {"state": {0: {"step": torch.tensor(5.0)}}, "betas": (0.0, 0.99), "rate": 0.1 + 0.2, "off": None},
    "names": ["a", True],
    "nothing": torch.zeros(0, 4),
}


def keeping(folder, **changes):
    return Checkpoints(folder, **({"kind": "toy", "fingerprint": {"rate": 0.1, "sizes": (1, 2)}} | changes))


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def test_a_nested_state_comes_back_as_it_was(tmp_path):
    keeping(tmp_path).save(7, STATE)
    loaded = keeping(tmp_path).load()
    assert loaded.step == 7 and same(loaded.state, STATE)


def test_a_layout_in_memory_comes_back_too(tmp_path):
    weight = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    keeping(tmp_path).save(1, {"weight": weight})
    loaded = keeping(tmp_path).load().state["weight"]
    assert torch.equal(loaded, weight) and loaded.stride() == weight.stride()


def test_no_piece_is_larger_than_its_limit_and_a_large_tensor_is_cut(tmp_path):
    state = {"large": torch.randn(10_000), "small": [torch.randn(50) for _ in range(60)]}
    path = keeping(tmp_path).save(1, state, piece_bytes=8192)
    sizes = [file.stat().st_size for file in path.glob("*.safetensors")]
    assert len(sizes) > 6 and max(sizes) <= 8192
    assert same(keeping(tmp_path).load().state, state)


def test_the_last_two_stay(tmp_path):
    for step in (10, 20, 30):
        keeping(tmp_path).save(step, STATE)
    assert [path.name for path in keeping(tmp_path).paths()] == ["step-00000020", "step-00000030"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_an_interrupted_save_left_is_ignored_and_removed(tmp_path, monkeypatch):
    keeping(tmp_path).save(1, {"x": torch.ones(2)})
    # As a kill leaves it: before the rename, and nothing tidied up.
    with monkeypatch.context() as killed:
        killed.setattr(os, "rename", lambda *_: os._exit(9))
        if (child := os.fork()) == 0:
            keeping(tmp_path).save(2, {"x": torch.zeros(2)})
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list(tmp_path.iterdir())) == 2
    assert keeping(tmp_path).load().step == 1
    keeping(tmp_path).clean()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_save_that_fails_leaves_nothing_and_the_older_one(tmp_path, monkeypatch):
    checkpoints = keeping(tmp_path)
    checkpoints.save(1, STATE)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(2, STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "index", "no index"])
def test_a_damaged_checkpoint_is_refused_and_says_what_to_remove(tmp_path, harm):
    path = keeping(tmp_path).save(3, STATE)
    piece, index = path / "0000.safetensors", path / "index.json"
    data = bytearray(piece.read_bytes())
    match harm:
        case "flip":
            data[-1] ^= 1
            piece.write_bytes(data)
        case "cut":
            piece.write_bytes(data[:-5])
        case "remove":
            piece.unlink()
        case "index":
            index.write_text(index.read_text().replace('"rate": 0.30', '"rate": 0.31'))
        case "no index":
            index.unlink()
    with pytest.raises(CheckpointError, match=r"step-00000003 is damaged \(.*expected.*found.*Remove this folder"):
        keeping(tmp_path).load()


def test_an_index_that_points_elsewhere_is_refused(tmp_path):
    from oodinv.training.checkpoint import _digest

    path = keeping(tmp_path).save(3, STATE)
    index = json.loads((path / "index.json").read_text())
    del index["sha256"]
    for entry in index["tensors"].values():
        entry["parts"] = [[4, "0"]]
    (path / "index.json").write_text(json.dumps(index | {"sha256": _digest(index)}))
    with pytest.raises(CheckpointError, match="do not belong together"):
        keeping(tmp_path).load()


def test_a_foreign_checkpoint_is_refused(tmp_path):
    keeping(tmp_path).save(3, STATE)
    with pytest.raises(CheckpointError, match=r'another kind: expected encoder, found "toy"\. Choose another folder'):
        keeping(tmp_path, kind="encoder").load()
    changed = {"rate": 0.2, "sizes": (1, 2), "new": True}
    expected = r"new: expected true, found null; rate: expected 0.2, found 0.1\)"
    with pytest.raises(CheckpointError, match=expected):
        keeping(tmp_path, fingerprint=changed).load()


def test_something_that_is_no_state_is_named(tmp_path):
    with pytest.raises(TypeError, match="got object at /a/1"):
        keeping(tmp_path).save(1, {"a": [1, object()]})

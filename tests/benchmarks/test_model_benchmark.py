import json
import shutil

import pytest
import torch
import torch.nn.functional as F
from shard_runs import BESIDE
from tiny_bundle import GENERATOR, tiny_model
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import ceiling
from benchmarks.clock import measure
from benchmarks.engine import measure_engine
from benchmarks.flops import count_flops
from benchmarks.model import main
from benchmarks.parts import measure_parts
from benchmarks.subject import FULL, Subject, load_subject
from oodinv.bundles.bundle import load_bundle
from oodinv.models.stylegan2 import Generator

CPU = torch.device("cpu")


def test_a_run_gives_all_fields_as_json_and_markdown(tiny_bundle, small_photos, tmp_path, capsys, monkeypatch):
    # Large products of bfloat16 take minutes where a processor has no instruction for them.
    monkeypatch.setattr(ceiling, "_SIDES", (16, 64))
    words = ["--bundle", str(tiny_bundle), "--dtype", "float32", "bfloat16", "--batch", "1", "2", "--seconds", "0.02"]
    out = tmp_path / "results" / "r.json"
    words += ["--threads", "1", "--engine", "2", "--photos", str(small_photos), "--out", str(out)]
    record = main(words)
    assert json.loads(out.read_text()) == json.loads(json.dumps(record))
    machine = record["machine"]
    assert machine["date"] and machine["cpu"] and machine["cores"] >= 1 and machine["threads"] == 1
    assert machine["torch"] == torch.__version__ and machine["gpu"] is None and "commit" in machine
    assert record["model"]["size"] == 32 and record["model"]["choices"]["see_error"] is True
    assert [(r["dtype"], r["batch"]) for r in record["results"]] == [
        ("float32", 1), ("float32", 2), ("bfloat16", 1), ("bfloat16", 2),
    ]  # fmt: skip
    for result in record["results"]:
        top, flops = record["ceilings"][result["dtype"]]["flops_per_s"], record["flops_per_crop"]
        for name in ("invert", "edit", "encoder", "generator"):
            rate, timing = result[name], result[name]["timing"]
            assert 0 < timing["min_s"] <= timing["median_s"] <= timing["max_s"] and timing["repetitions"] >= 1
            assert rate["per_s"] == pytest.approx(result["batch"] / timing["median_s"])
            assert rate["flops_per_s"] == pytest.approx(flops[name] * rate["per_s"])
            assert rate["share_of_ceiling"] == pytest.approx(rate["flops_per_s"] / top)
            assert timing["peak_memory_bytes"] > 10 * 2**20
        whole = sum(result[name]["timing"]["median_s"] for name in ("encoder", "generator", "generator"))
        assert result["alignment"]["seconds"] == pytest.approx(result["invert"]["timing"]["median_s"] - whole)
    first, second = record["engine"]
    # Two photos of one face; the first photo of the folder is the warm-up's too, and not counted there.
    assert (first["batch"], second["batch"], first["photos"], first["faces"]) == (1, 2, 2, 2)
    assert first["ratio"] == pytest.approx(first["faces_per_s"] / first["model_faces_per_s"])
    assert {"fetch", "decode", "detect", "invert", "edit", "compose", "encode", "publish"} <= first["stages_s"].keys()
    assert sum(s for stage, s in first["stages_s"].items() if stage not in BESIDE) <= first["engine_s"]
    said = capsys.readouterr().out
    for text in ("| images/s | edits/s |", "| float32 | 2 |", "ceiling (GFLOP/s)", "alignment of edit", "| ratio |"):
        assert text in said


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_shapes_of_the_full_configuration_are_checked_without_computing(dtype):
    record = main(["--bundle", "full", "--meta", "--size", "64", "--dtype", dtype, "--batch", "3"])
    (shapes,) = record["shapes"]
    assert shapes["tensors"]["reconstruction"]["shape"] == [3, 3, 64, 64]
    assert shapes["tensors"]["w_plus"] == {"shape": [3, 10, 512], "dtype": "float32"}
    assert shapes["tensors"]["features at 32"] == {"shape": [3, 256, 32, 32], "dtype": dtype}
    assert shapes["tensors"]["flow at 64"]["shape"] == [3, 2, 64, 64]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--size", "64"], "--size: bundle 'embedded' has its own size"),
        (["--meta"], "--meta runs the full-size configuration"),
        (["--batch", "0"], "expected a number from 1, got 0"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2 and text in capsys.readouterr().err


def test_photos_without_a_face_are_refused(tiny_bundle, small_photos, tmp_path):
    shutil.copy(small_photos / "table.jpg", tmp_path / "table.jpg")
    subject = load_subject(str(tiny_bundle), 0)
    with pytest.raises(ValueError, match="expected faces in the first 1 photos"):
        measure_engine(subject, CPU, photos=tmp_path, count=1, batch=1)
    (tmp_path / "table.jpg").unlink()
    with pytest.raises(ValueError, match=r"expected photos in .*, got none"):
        measure_engine(subject, CPU, photos=tmp_path, count=1, batch=1)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        main(["--device", "cuda"])
    assert "torch sees no GPU here" in capsys.readouterr().err


def multiply_adds(x, weight, **options):
    """Ones convolved with ones: each multiply-add gives 1 to the sum."""
    return int(F.conv_transpose2d(torch.ones_like(x), torch.ones_like(weight), **options).sum())


@pytest.mark.parametrize(("stride", "kernel", "side"), [(1, 3, 5), (2, 3, 8), (2, 4, 7), (3, 2, 6)])
def test_the_count_of_a_transposed_convolution_is_that_of_its_multiply_adds(stride, kernel, side):
    x, weight = torch.rand(2, 5, side, side + 1), torch.rand(5, 7, kernel, kernel)
    counter = FlopCounterMode(display=False)
    with counter:
        F.conv_transpose2d(x, weight, stride=stride)
    assert counter.get_total_flops() == 2 * multiply_adds(x, weight, stride=stride)


def test_the_count_of_the_generator_is_that_added_up_by_hand():
    config, total = GENERATOR, 0
    for k, resolution in enumerate(config.resolutions):
        channels = config.channels(resolution)
        convs = [(channels, channels, resolution)]
        if k:
            convs.append((config.channels(resolution // 2), channels, resolution // 2))  # by its input's size
        for num_in, num_out, side in convs:
            total += 9 * num_in * num_out * side**2
            total += config.style_dim * num_in + num_in * num_out  # affine, demodulation
        total += 3 * channels * resolution**2 + config.style_dim * channels  # RGB and its affine
    assert count_flops(tiny_model()).generator == 2 * total


def test_parts_are_counted_apart_and_the_count_leaves_the_model_as_it_was():
    model = tiny_model()
    flops = count_flops(model)
    assert flops.draws == 2  # the detector of the improved setting looks at the plain picture
    assert flops.alignment > 0 and flops.alignment_of_edit == 0  # the edit takes over the inversion's flows
    assert flops.invert == flops.encoder + 2 * flops.generator + flops.alignment
    assert "synthesise" not in vars(model.generator) and isinstance(model.generator, Generator)
    assert count_flops(model) == flops


def test_the_full_configuration_can_be_given_to_the_engine():
    model = tiny_model()
    with Subject(name=FULL, model=model).as_bundle() as folder:
        loaded = load_bundle(folder)
    assert loaded.bundle.spec.setting == "paper" and list(loaded.directions) == ["smile"]
    crop = torch.rand(1, 3, 32, 32) * 2 - 1
    ours, theirs = model.invert(crop).reconstruction, loaded.model.invert(crop).reconstruction
    assert (ours - theirs).abs().max() < 0.05  # stored in half precision


def test_a_call_is_warm_before_it_is_timed_and_one_that_takes_too_long_is_done_once():
    calls = []
    timing = measure(lambda: calls.append(1), device=CPU, seconds=0.01)
    assert timing.repetitions >= 3 and len(calls) > timing.repetitions
    calls.clear()
    assert measure(lambda: calls.append(1), device=CPU, seconds=0.0).repetitions == 1 and len(calls) == 2


def test_a_batch_that_memory_has_no_room_for_is_said_and_not_measured(monkeypatch):
    model = tiny_model()

    def no_room(crop):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "invert", no_room)
    subject = Subject(name="tiny", model=model)
    options = {"flops": count_flops(tiny_model()), "ceiling": 1e9, "seconds": 0.01, "on_call": lambda name: None}
    result = measure_parts(subject, CPU, "float32", 64, **options)
    assert result.out_of_memory and result.invert is None

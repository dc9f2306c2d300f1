import pickle

import numpy as np
import pytest
import torch

from oodinv.edits import EditError
from oodinv.edits.directions import GeneratorShape, calibrate, read_direction

SHAPE = GeneratorShape(num_layers=6, style_dim=24, style_widths=(16, 16, 16, 16, 16, 16, 8, 8))
CONV, EMBEDDING = 16 * 4 + 8, 12
RNG = np.random.default_rng(0)
RELEVANCE = RNG.normal(0, 0.1, (72, EMBEDDING))
DELTA = RNG.normal(0, 3, EMBEDDING).astype(np.float32)
MEANS = [RNG.standard_normal(width).astype(np.float32) for width in SHAPE.style_widths]
DEVIATIONS = [RNG.uniform(0.1, 2, width).astype(np.float32) for width in SHAPE.style_widths]


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "fs3.npy", RELEVANCE)
    np.save(tmp_path / "delta.npy", DELTA)
    (tmp_path / "S_mean_std").write_bytes(pickle.dumps([MEANS, DEVIATIONS], protocol=3))
    return tmp_path


def read(files, options="text=delta.npy,stats=S_mean_std,beta=0.1"):
    return read_direction(f"{files / 'fs3.npy'}#{options}", SHAPE)


def refusal(files, options="text=delta.npy,stats=S_mean_std,beta=0.1", shape=SHAPE):
    with pytest.raises(EditError) as caught:
        read_direction(f"{files / 'fs3.npy'}#{options}", shape)
    return str(caught.value)


def plainly(beta):
    """The direction channel by channel, from the paper's words."""
    unit = DELTA / np.sqrt((DELTA.astype(np.float64) ** 2).sum())
    relevance = [sum(float(r) * float(u) for r, u in zip(row, unit, strict=True)) for row in RELEVANCE]
    largest, found, taken = max(map(abs, relevance)), [], 0
    for layer, width in enumerate(SHAPE.style_widths):
        for channel in range(width):
            value = 0.0
            if layer % 3 != 1:  # no RGB layer
                value, taken = relevance[taken], taken + 1
            found.append(value / largest * DEVIATIONS[layer][channel] if abs(value) >= beta else 0.0)
    assert taken == len(relevance) == CONV
    return np.array(found, dtype=np.float32)


@pytest.mark.parametrize("beta", [0.0, 0.05, 0.13])
def test_the_direction_is_what_the_paper_says(files, beta):
    found = read(files, f"text=delta.npy,stats=S_mean_std,beta={beta},safe=-8:8")
    np.testing.assert_allclose(found.tensor.numpy(), plainly(beta), rtol=1e-5, atol=1e-7)
    assert (found.space, found.layers, found.safe_range) == ("style", (0, 6), (-8.0, 8.0))
    moved = int(found.tensor.count_nonzero())
    assert moved == 72 if beta == 0 else 0 < moved < 60


def test_the_most_relevant_channel_moves_by_its_standard_deviation_and_no_rgb_channel_moves(files):
    found = read(files)
    in_deviations = found.tensor.numpy() / np.concatenate(DEVIATIONS)
    assert np.abs(in_deviations).max() == pytest.approx(1)
    parts = torch.split(found.tensor, list(SHAPE.style_widths))
    assert [bool(part.any()) for part in parts] == [True, False, True, True, False, True, True, False]


def test_its_length_is_the_papers_and_the_length_of_the_text_delta_does_not_matter(files):
    before = read(files)
    assert before.unit == "1 = one standard deviation of the most relevant channel"
    assert calibrate(before, torch.zeros(2, 24), None) is before
    np.save(files / "delta.npy", DELTA[None] * 20)
    torch.testing.assert_close(read(files).tensor, before.tensor)
    torch.save(torch.from_numpy(DELTA), files / "delta.pt")
    torch.testing.assert_close(read(files, "text=delta.pt,stats=S_mean_std,beta=0.1").tensor, before.tensor)


def test_the_published_sizes_fit_the_published_generator(ffhq, tmp_path):
    np.save(tmp_path / "fs3.npy", RNG.normal(0, 0.1, (6048, 512)).astype(np.float32))
    np.save(tmp_path / "delta.npy", RNG.standard_normal(512))
    deviations = [np.full(width, 2.0) for width in ffhq.style_widths]
    (tmp_path / "S_mean_std").write_bytes(pickle.dumps([deviations, deviations]))
    found = read_direction(f"{tmp_path / 'fs3.npy'}#text=delta.npy,stats=S_mean_std,beta=0.13", ffhq)
    assert found.tensor.shape == (9088,) and float(found.tensor.abs().max()) == pytest.approx(2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("beta=0.1", "needs #text=DELTA.npy,stats=S_mean_std,beta=0.13; missing are text, stats"),
        ("layers=0:4", "missing are text, stats, beta"),
        (
            "text=delta.npy,stats=S_mean_std,beta=9",
            "beta=9 leaves no channel, the largest relevance to this text is 0.",
        ),
        ("text=delta.npy,stats=S_mean_std,beta=-1", "expected beta=NUMBER from 0, like beta=0.13, got '-1'"),
        ("text=delta.npy,stats=S_mean_std,beta=nan", "got 'nan'"),
        ("text=none.npy,stats=S_mean_std,beta=0.1", "there is no file"),
        ("text=delta.npy,stats=none,beta=0.1", "there is no file"),
        ("text=fs3.npy,stats=S_mean_std,beta=0.1", "expected a text delta of shape (12,), got (72, 12)"),
        ("text=delta.npy,stats=fs3.npy,beta=0.1", "cannot be read as StyleSpace statistics"),
        ("text=delta.npy,stats=S_mean_std,beta=0.1,layers=0:4", "unknown option 'layers', this kind takes text, stats"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_refused(files, options, text):
    assert text in refusal(files, options)


def test_a_relevance_of_another_generator_is_refused(files, ffhq):
    assert "shape (6048, embedding), for the 6048 channels of this generator's convolutions; got (72, 12)" in refusal(
        files, shape=ffhq
    )
    torch.save(torch.zeros(1).expand(72, 10**9), files / "fs3.pt")
    with pytest.raises(EditError, match=r"shape \(72, embedding\).*got \(72, 1000000000\)"):
        read_direction(f"{files / 'fs3.pt'}#text=delta.npy,stats=S_mean_std,beta=0.1", SHAPE)


def test_a_text_delta_of_nothing_is_refused(files):
    np.save(files / "delta.npy", DELTA * 0)
    assert "two texts of the same meaning" in refusal(files)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([MEANS, DEVIATIONS[:-1]], "must hold two lists of 8 arrays"),
        (
            [MEANS, [*DEVIATIONS[:-1], DEVIATIONS[-1][:3]]],
            "of lengths (16, 16, 16, 16, 16, 16, 8, 8), got (16, 16, 16,",
        ),
        ([MEANS, [*DEVIATIONS[:-1], "words"]], "got (16, 16, 16, 16, 16, 16, 8, 0)"),
        (DEVIATIONS, "must hold two lists of 8 arrays, means and standard deviations, got list"),
        ({"std": DEVIATIONS}, "got dict"),
        ([MEANS, [d * np.nan for d in DEVIATIONS]], "a standard deviation in S_mean_std holds NaN"),
    ],
)
def test_statistics_of_another_make_are_refused(files, content, text):
    (files / "S_mean_std").write_bytes(pickle.dumps(content))
    assert text in refusal(files)


def test_statistics_run_no_code(files):
    class Bomb:
        def __reduce__(self):
            return open, (str(files / "ran"), "w")

    (files / "S_mean_std").write_bytes(pickle.dumps([MEANS, Bomb()]))
    assert "cannot be read as StyleSpace statistics: it names " in refusal(files)
    assert not (files / "ran").exists()

"""Directions on a generator whose attributes are known, and the algebra behind them."""

import json

import numpy as np
import pytest
import torch
from tiny_bundle import ENCODER, GENERATOR

from oodinv.edits.directions import read_direction
from oodinv.edits.shape import GeneratorShape
from oodinv.models.e4e import Encoder
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.components import principal_components
from oodinv.training.data import Dataset
from oodinv.training.direction_finding import DirectionSearch, DirectionTrainer
from oodinv.training.errors import TrainingError
from oodinv.training.leakage import Response, disentangle, measure_response, safe_range
from oodinv.training.loop import LoopOptions, Trainer, run_training
from oodinv.training.regressor import AttributeRegressor, RegressorConfig

QUIET = LoopOptions(progress=False, save_every=2)


def test_the_gain_is_the_slope_near_zero():
    moved = torch.tensor([[-9.0, 1.0], [-2.0, 0.5], [2.0, -0.5], [3.0, 0.0]])
    response = Response(strengths=(-3.0, -1.0, 1.0, 3.0), moved=moved)
    torch.testing.assert_close(response.gain, torch.tensor([2.0, -0.5]))


def test_a_response_is_the_mean_change_against_strength_zero():
    matrix = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    w, direction = torch.rand(5, 3), torch.tensor([1.0, 1.0, 0.0])
    response = measure_response(lambda x: x @ matrix + 7, w, direction, (-1.0, 1.0, 2.0))
    torch.testing.assert_close(response.moved, torch.outer(torch.tensor([-1.0, 1.0, 2.0]), torch.tensor([1.0, 2.0])))
    torch.testing.assert_close(response.gain, torch.tensor([1.0, 2.0]))


def test_faces_that_are_known_are_not_drawn_again():
    asked, w = [], torch.rand(5, 3)

    def measure(x):
        asked.append(x)
        return 2 * x

    direction = torch.tensor([1.0, 0.0, 0.0])
    anew = measure_response(measure, w, direction, (-1.0, 1.0))
    known = measure_response(measure, w, direction, (-1.0, 1.0), 2 * w)
    assert torch.equal(anew.moved, known.moved) and len(asked) == 3 + 2


def test_directions_are_combined_until_each_moves_its_own_attribute_only():
    torch.manual_seed(0)
    directions = {"smile": torch.randn(6), "age": torch.randn(6), "yaw": torch.randn(6)}
    reads = torch.linalg.pinv(torch.stack(list(directions.values())))  # each direction alone moves its own by 1 …
    leak = torch.tensor([[1.0, 0.3, 0.0], [0.2, 1.0, 0.1], [0.0, -0.4, 1.0]])
    mixed = {name: row for name, row in zip(directions, leak @ torch.stack(list(directions.values())), strict=True)}
    gains = torch.stack(list(mixed.values())) @ reads  # … and these leak
    torch.testing.assert_close(gains, leak, atol=1e-5, rtol=0)
    clean = disentangle(mixed, gains, list(directions), ridge=1e-9)
    for name, direction in clean.items():
        torch.testing.assert_close(direction, directions[name], atol=1e-4, rtol=0)


def test_with_a_large_ridge_directions_are_only_scaled():
    directions = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0, 1.0])}
    gains = torch.tensor([[9.0, 2.0, 0.5], [7.0, 0.4, 4.0]])
    kept = disentangle(directions, gains, ["other", "a", "b"], ridge=1e9)
    torch.testing.assert_close(kept["a"], torch.tensor([0.5, 0.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(kept["b"], torch.tensor([0.0, 0.25]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("ridge", [1e-6, 0.05, 10.0])
def test_whatever_the_ridge_a_direction_moves_its_own_attribute_by_one(ridge):
    gains = torch.tensor([[1.5, 0.6], [-0.3, 0.8]])
    eye = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0, 1.0])}
    combined = torch.stack(list(disentangle(eye, gains, ["a", "b"], ridge=ridge).values()))
    torch.testing.assert_close((combined @ gains).diagonal(), torch.ones(2), atol=1e-4, rtol=0)


def test_a_direction_without_effect_cannot_be_scaled():
    with pytest.raises(ValueError, match=r"the direction of b moves its own attribute by less than 0\.05"):
        disentangle({"a": torch.ones(2), "b": torch.ones(2)}, torch.tensor([[1.0, 0.0], [1.0, 0.01]]), ["a", "b"])


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([-4, -3, -2, -1, 1, 2, 3, 4], (-4, 4)),
        ([-1.5, -1.5, -1.5, -1, 1, 2, 3, 2.1], (-2, 3)),
        ([-4, -3, -0.5, -1, 1, 0.1, 3, 4], (-1, 1)),  # what comes after a break does not count
        ([0] * 8, (-1, 1)),
    ],
)
def test_the_safe_range_ends_where_the_attribute_stops_following(moved, expected):
    strengths = [-4, -3, -2, -1, 1, 2, 3, 4]
    assert safe_range(strengths, moved, 1.0) == expected


def test_principal_components_of_a_stretched_cloud_are_its_axes():
    rng = torch.Generator().manual_seed(0)
    w = 5 + torch.randn(4000, 3, generator=rng) * torch.tensor([1.0, 4.0, 2.0])
    components, deviations = principal_components(w, 2)
    torch.testing.assert_close(components, torch.tensor([[0.0, 1, 0], [0, 0, 1]]), atol=0.05, rtol=0)
    torch.testing.assert_close(deviations, torch.tensor([4.0, 2.0]), atol=0.1, rtol=0)
    with pytest.raises(ValueError, match="1 to 3 components, got 4"):
        principal_components(w, 4)


class Eyes(AttributeRegressor):
    """Reads brightness and left-to-right slope exactly."""

    def __init__(self):
        super().__init__(RegressorConfig(labels=("brightness", "slope"), resolution=16, widths=(4,)))

    def forward(self, crop):
        half = crop.shape[-1] // 2
        left, right = crop[..., :half].mean(dim=(1, 2, 3)), crop[..., half:].mean(dim=(1, 2, 3))
        return torch.stack([left + right, right - left], dim=1) * 5


@pytest.fixture(scope="module")
def portraits():
    """Portraits of a random generator, labelled by what it draws."""
    torch.manual_seed(0)
    generator = Generator(GENERATOR).eval()
    rng = np.random.default_rng(0)
    params = rng.normal(size=(120, GENERATOR.z_dim)).astype(np.float32)
    latents = Latents.over(params)
    with torch.no_grad():
        drawn = generator.synthesise(generator.map(latents(params))).clamp(-1, 1)
        told = Eyes()(drawn).numpy()
    data = Dataset.from_arrays(
        crops=((drawn.numpy() + 1) * 127.5).round().astype(np.uint8),
        params=params,
        labels={"brightness": told[:, 0], "slope": told[:, 1]},
    )
    return data, generator, latents


def search(**changed):
    return DirectionSearch(
        **({"faces": 8, "batch": 60, "components": 3, "strengths": (-2.0, -1.0, 1.0, 2.0)} | changed)
    )


def test_measured_directions_leak_less_than_the_regressions(portraits, tmp_path):
    data, generator, latents = portraits
    leaks = []
    for rounds in (0, 2):
        trainer = DirectionTrainer(
            data, generator, search(rounds=rounds, ridge=1e-3), latents=latents, regressor=Eyes()
        )
        assert isinstance(trainer, Trainer)
        run_training(trainer, steps=trainer.steps, folder=tmp_path / str(rounds), options=QUIET)
        found = trainer.found()
        leaks.append(
            max(abs(found["brightness"].gains["slope"]), abs(found["slope"].gains["brightness"]))
            + sum(abs(found[name].gains[name] - 1) for name in found)
        )
    assert leaks[1] < 0.3 * leaks[0]


def test_what_is_written_can_be_edited_with(portraits, tmp_path):
    data, generator, latents = portraits
    trainer = DirectionTrainer(data, generator, search(), latents=latents, regressor=Eyes())
    for step in range(trainer.steps):
        trainer.step(step)
    trainer.write(tmp_path)
    told = json.loads((tmp_path / "directions.json").read_text())["edits"]
    assert told.keys() == {"brightness", "slope"}
    low, high = told["slope"]["safe_range"]
    assert -2 <= low <= -1 and 1 <= high <= 2
    widths = tuple(part.stop - part.start for part in generator.style_slices())
    shape = GeneratorShape(num_layers=8, style_dim=GENERATOR.style_dim, style_widths=widths)
    read = read_direction(f"{tmp_path / 'slope.npy'}#unit=raw", shape)
    assert torch.equal(read.tensor, trainer.found()["slope"].tensor)
    components = trainer.components()
    step = read_direction(f"{tmp_path / 'ganspace.pt'}#component=2", shape).tensor
    torch.testing.assert_close(step, components["comp"][2, 0] * components["std"][2])


def test_a_restored_search_goes_on_as_if_nothing_had_been(portraits):
    data, generator, latents = portraits

    def fresh():
        return DirectionTrainer(data, generator, search(rounds=1, faces=4), latents=latents, regressor=Eyes())

    straight = fresh()
    values = [straight.step(step) for step in range(straight.steps)]
    for at in (1, 4):
        first, second = fresh(), fresh()
        for step in range(at):
            first.step(step)
        second.restore(first.state())
        assert [second.step(step) for step in range(at, second.steps)] == values[at:]
        assert torch.equal(second.directions, straight.directions) and torch.equal(second.moved, straight.moved)


def test_photos_with_a_labels_file_get_their_styles_from_an_encoder(portraits):
    data, generator, _ = portraits
    photos = Dataset.from_arrays(
        crops=((data.crops(np.arange(60)).numpy() + 1) * 127.5).round().astype(np.uint8),
        labels={"brightness": np.where(np.arange(60) < 3, np.nan, data.labels["brightness"][:60])},
    )
    torch.manual_seed(1)
    trainer = DirectionTrainer(photos, generator, search(), encoder=Encoder(ENCODER))
    for step in range(trainer.steps):
        trainer.step(step)
    assert len(trainer.w) == 57  # three lack a label
    found = trainer.found()["brightness"]
    assert found.tensor.abs().sum() > 0 and found.safe_range == (-2.0, 2.0) and found.gains == {}
    assert trainer.grid()[0].shape == (5, 3, 32, 32)


def test_searches_that_cannot_be_are_refused(portraits):
    data, generator, latents = portraits
    with pytest.raises(TrainingError, match="no label beard that varies: expected names among brightness, slope"):
        DirectionTrainer(data, generator, search(names=("beard",)), latents=latents)
    with pytest.raises(TrainingError, match="--input encoder=DIR"):
        DirectionTrainer(data, generator, search())
    unlabelled = Dataset.from_arrays(crops=np.zeros((4, 3, 32, 32), np.uint8))
    with pytest.raises(TrainingError, match=r"labels\.csv"):
        DirectionTrainer(unlabelled, generator, search(), encoder=Encoder(ENCODER))
    with pytest.raises(TrainingError, match="strengths must rise"):
        search(strengths=(2.0, -1.0))


@pytest.mark.parametrize("name", ["../../escaped", "..", "/etc", "a b", ""])
def test_a_label_whose_name_is_no_files_name_gets_no_direction(portraits, name):
    data, generator, _ = portraits
    odd = Dataset.from_arrays(
        crops=np.zeros((120, 3, 32, 32), np.uint8), params=data.params, labels={name: data.labels["slope"]}
    )
    with pytest.raises(TrainingError, match="a label cannot be called"):
        DirectionTrainer(odd, generator, search(), latents=Latents.over(data.params))

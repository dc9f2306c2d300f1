"""One training after the other through their recipes, each from what the ones before have left."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_bundle import GENERATOR, write_tiny_bundle
from tiny_trainings import CONFIGS

from oodinv.models.decomposition import Choices
from oodinv.models.inversion import InversionModel
from oodinv.training.encoder import EncoderTraining
from oodinv.training.errors import TrainingError
from oodinv.training.inverter_recipes import DecompositionRecipe, EncoderRecipe
from oodinv.training.job import TrainingJob, run_job, write_learned
from oodinv.training.latents import Latents, NormalLatents
from oodinv.training.recipes import RECIPES, Inputs
from oodinv.training.regressor import AttributeRegressor
from oodinv.training.seen import Seen
from oodinv.training.trained_parts import (
    decomposition_shape,
    find_decomposition,
    find_encoder,
    find_generator,
    find_latents,
    find_resolution,
)


def test_what_was_trained_makes_a_model_that_inverts(portraits, chain):
    encoder = find_encoder(chain["encoder"])
    assert encoder.config.num_layers == GENERATOR.num_layers  # not what the recipe said
    model = InversionModel(encoder, find_generator(chain["generator"]), find_decomposition(chain["decomposition"]))
    with torch.no_grad():
        result = model.eval().invert(portraits.crops(np.arange(2)))
    assert result.ood_mask.shape == (2, 1, 32, 32) and torch.isfinite(result.reconstruction).all()


def test_the_regressor_and_the_directions_are_where_others_look_for_them(chain):
    assert AttributeRegressor.load(chain["regressor"]).config.labels == ("smile", "age")
    names = {path.name for path in chain["directions"].iterdir()}
    assert {"directions.safetensors", "directions.json", "smile.npy", "ganspace.pt"} <= names


def test_latents_keep_the_moments_they_were_trained_with(portraits, chain, tmp_path):
    other = replace(portraits, params=3 * portraits.params + 1)
    generator = find_generator(chain["generator"])
    latents, source = find_latents(chain["generator"], other, generator)
    torch.testing.assert_close(latents.mean, Latents.over(portraits.params).mean)
    assert source.standardise is latents and latents.noise == pytest.approx(0.07)
    # Whose moments nobody has kept is not guessed at from the pictures at hand.
    unknown, source = find_latents(tmp_path, other, generator)
    assert unknown is None and isinstance(source, NormalLatents)
    unknown, source = find_latents(chain["generator"], replace(portraits, params=None), generator)
    assert unknown is None and source.z_dim == GENERATOR.z_dim


def test_a_bundle_serves_as_generator_encoder_and_decomposition(tmp_path):
    write_tiny_bundle(tmp_path)
    assert find_generator(tmp_path).config.resolution == find_encoder(tmp_path).config.input_resolution == 32
    assert find_decomposition(tmp_path).config.levels == (8, 16)


def test_inputs_that_would_not_be_used_are_refused(portraits, chain, tmp_path):
    with pytest.raises(
        TrainingError, match="no input photograph: expected some of generator, encoder, vgg, identity, regressor"
    ):
        RECIPES["encoder"].check_inputs(["generator", "photograph"])
    with pytest.raises(TrainingError, match=r"no input generator: expected some of \(it takes none\)"):
        run_job(TrainingJob(kind="regressor", config=None, data=(), out=tmp_path, inputs={"generator": tmp_path}))
    with pytest.raises(TrainingError, match=r"input regressor would not be used, since training\.image\.identity is 0"):
        RECIPES["decomposition"].build(CONFIGS["decomposition"], portraits, Inputs(folders=chain))
    dry = EncoderRecipe(training=EncoderTraining(occluded_share=0.0))
    with pytest.raises(TrainingError, match=r"photographs would not be used, since training\.occluded_share is 0"):
        RECIPES["encoder"].build(dry, portraits, Inputs(folders={"photographs": tmp_path}))


def test_pictures_are_read_at_the_size_the_generator_draws(chain, tmp_path):
    for kind in ("encoder", "decomposition"):
        assert RECIPES[kind].size(CONFIGS[kind], Inputs(folders=chain)) == 32
    write_tiny_bundle(tmp_path / "bundle")
    assert find_resolution(tmp_path / "bundle") == 32
    with pytest.raises(TrainingError, match="holds no trained generator"):
        find_resolution(tmp_path)
    (tmp_path / "generator.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"generator\.json cannot be read"):
        find_resolution(tmp_path)


def test_levels_default_to_the_finest_that_both_have(chain):
    generator, encoder = find_generator(chain["generator"]), find_encoder(chain["encoder"])
    assert decomposition_shape(generator, encoder, ()).levels == (8, 16)
    with pytest.raises(TrainingError, match=r"no feature maps to compare at \[64\]"):
        decomposition_shape(generator, encoder, (16, 64))


def test_the_released_limits_go_with_the_levels_there_are(portraits, chain):
    config = DecompositionRecipe(preset="released")
    trainer = RECIPES["decomposition"].build(config, portraits, Inputs(folders=chain)).trainer
    assert trainer.config.levels == (8, 16) and trainer.training.level_area_limits == {8: 0.3, 16: 0.3}
    assert trainer.config.choices == Choices.paper() and trainer.training.supervision is None
    assert "entropy" not in trainer.step(0)


def test_missing_inputs_are_named(portraits, chain, tmp_path):
    with pytest.raises(TrainingError, match="--input encoder=DIR, got generator"):
        RECIPES["decomposition"].build(
            CONFIGS["decomposition"], portraits, Inputs(folders={"generator": chain["generator"]})
        )
    with pytest.raises(TrainingError, match="set styles to encoder"):
        photos = replace(portraits, params=None)
        RECIPES["directions"].build(CONFIGS["directions"], photos, Inputs(folders={"generator": chain["generator"]}))
    with pytest.raises(TrainingError, match="holds no trained encoder"):
        find_encoder(tmp_path)


def test_styles_of_photos_come_from_an_encoder(portraits, chain):
    config = replace(CONFIGS["directions"], styles="encoder")
    photos = replace(portraits, params=None)
    prepared = RECIPES["directions"].build(config, photos, Inputs(folders=chain))
    for step in range(prepared.steps):
        prepared.trainer.step(step)
    assert prepared.trainer.found()["smile"].gains.keys() == {"smile", "age"}


@pytest.mark.parametrize("told", [True, False])
def test_what_the_beginning_has_seen_counts_as_seen(chain, portraits, tmp_path, told):
    begin = tmp_path / "begin"
    shutil.copytree(chain["encoder"], begin)
    (begin / "encoder.seen.json").unlink()
    if told:
        Seen(seeds=((500, 509),), designs=("hat/fedora",), pictures=()).write(begin, "encoder")
    folders = {"generator": chain["generator"], "encoder": begin}
    prepared = RECIPES["encoder"].build(CONFIGS["encoder"], portraits, Inputs(folders=folders))
    (tmp_path / "out").mkdir()
    write_learned(tmp_path / "out", "encoder", CONFIGS["encoder"], portraits, prepared, begin=begin)
    seen = Seen.read(tmp_path / "out", "encoder")
    if told:
        assert seen == Seen(seeds=((100, 115), (500, 509)), designs=("hat/fedora",), pictures=())
    else:
        assert seen is None

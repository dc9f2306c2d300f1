"""Training of encoder and decomposition on the smallest networks."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_bundle import ENCODER, GENERATOR, tiny_model

from oodinv.errors import describe
from oodinv.models.inversion import InversionModel
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.data import Dataset
from oodinv.training.decomposition import DecompositionTrainer, DecompositionTraining, invert_at, train_decomposition
from oodinv.training.direction_finding import DirectionSearch, DirectionTrainer
from oodinv.training.encoder import EncoderTrainer, EncoderTraining, train_encoder
from oodinv.training.errors import CheckpointError, TrainingError, TrainingStopped
from oodinv.training.fingerprint import network_digest
from oodinv.training.generator import GeneratorTraining, train_generator
from oodinv.training.loop import LoopOptions, Trainer, run_training
from oodinv.training.loss_networks import ImageWeights, LossNetworks, image_terms
from oodinv.training.perceptual import VGG19Features
from oodinv.training.phases import Phase
from oodinv.training.presets import improved, released
from oodinv.training.regressor import AttributeRegressor, RegressorConfig, RegressorTraining, train_regressor
from oodinv.training.structure import encoder_features

QUIET = LoopOptions(progress=False, log_every=1)


def photos(pack):
    return Dataset.from_arrays(crops=((pack.crops(np.arange(len(pack))).numpy() + 1) * 127.5).round().astype(np.uint8))


def decomposition_trainer(data, *, networks=None, **training):
    model = tiny_model()
    training = DecompositionTraining(**({"images": 8, "batch": 4, "ema_images": 4.0} | training))
    return DecompositionTrainer(data, model, model.decomposition.config, training, networks=networks or LossNetworks())


def encoder_trainer(data, *, latents=None, networks=None, **training):
    torch.manual_seed(1)
    training = EncoderTraining(**({"images": 8, "batch": 4, "ema_images": 4.0} | training))
    return EncoderTrainer(
        data, Generator(GENERATOR), ENCODER, training, latents=latents, networks=networks or LossNetworks()
    )


def test_only_the_decomposition_learns(pack):
    trainer = decomposition_trainer(pack)
    assert isinstance(trainer, Trainer)
    before, first = deepcopy(trainer.model.state_dict()), deepcopy(trainer.network().state_dict())
    trainer.step(0)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, before[name]) or name.startswith("decomposition.")
    assert any(not torch.equal(t, first[name]) for name, t in trainer.network().state_dict().items())


def test_a_decomposition_may_begin_from_another(pack):
    trainer = decomposition_trainer(pack)
    trainer.step(0)
    begin = trainer.decomposition
    model = tiny_model()
    again = DecompositionTrainer(pack, model, model.decomposition.config, trainer.training, begin=begin)
    assert again.fingerprint()["begin"] and not trainer.fingerprint()["begin"]
    for network in (again.decomposition, again.average):
        assert all(torch.equal(tensor, begin.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_an_encoder_begins_from_another_with_all_its_layers(pack):
    trainer = encoder_trainer(pack)
    trainer.step(0)
    assert trainer._active(0) == 1
    again = EncoderTrainer(pack, trainer.generator, ENCODER, trainer.training, begin=trainer.encoder)
    assert again._active(0) == ENCODER.num_layers
    theirs = trainer.encoder.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in again.encoder.state_dict().items())
    again.step(0)
    with pytest.raises(TrainingError, match=r"nothing of the \w+ to begin from fits the Encoder"):
        EncoderTrainer(pack, trainer.generator, ENCODER, trainer.training, begin=trainer.generator.mapping.layers[0])


def test_an_overfitted_decomposition_finds_the_true_mask(pack):
    trainer = decomposition_trainer(pack, images=100, rate=8e-3, occluded_share=0.0, mirrored_share=0.0)
    values = [trainer.step(step) for step in range(trainer.steps)]
    assert np.mean([v["entropy"] for v in values[-3:]]) < 0.7 * values[0]["entropy"]
    assert np.mean([v["overlap"] for v in values[-3:]]) < 0.9 * values[0]["overlap"]


def test_without_supervision_no_truth_is_looked_at(pack):
    """The same crops with other masks give the same steps."""
    index = np.arange(len(pack))
    other = Dataset.from_arrays(
        crops=((pack.crops(index).numpy() + 1) * 127.5).round().astype(np.uint8),
        accessory=np.full((len(pack), 32, 32), 255, np.uint8),
        silhouette=np.full((len(pack), 32, 32), 9, np.uint8),
    )
    trainers = [decomposition_trainer(data, supervision=None) for data in (pack, other, photos(pack))]
    for trainer in trainers:
        values = trainer.step(0)
        assert {"entropy", "overlap", "aligned", "face"}.isdisjoint(values)
    states = [trainer.network().state_dict() for trainer in trainers]
    assert all(torch.equal(states[0][name], state[name]) for state in states for name in state)


def test_a_decomposition_learns_from_photos_with_pasted_occlusions(pack):
    trainer = decomposition_trainer(photos(pack), occluded_share=1.0)
    values = trainer.step(0)
    assert values["entropy"] > 0 and values["overlap"] > 0
    assert len(trainer.grid()) == 6


def test_the_released_schedule_trains_the_coarsest_level_first(pack):
    trainer = decomposition_trainer(pack, schedule="released", supervision=None)
    before = deepcopy(trainer.decomposition.state_dict())
    trainer.step(0)
    changed = {
        name.split(".")[1] for name, t in trainer.decomposition.state_dict().items() if not torch.equal(t, before[name])
    }
    assert changed == {"8"}
    assert trainer.optimizer.param_groups[0]["lr"] == 2e-5


def test_photos_have_no_true_style_and_a_mirrored_portrait_none_of_its_own(pack):
    generator_latents = Latents.over(np.random.default_rng(0).normal(size=(8, GENERATOR.z_dim)).astype(np.float32))
    known = Dataset.from_arrays(
        crops=((pack.crops(np.arange(8)).numpy() + 1) * 127.5).round().astype(np.uint8),
        params=np.random.default_rng(0).normal(size=(8, GENERATOR.z_dim)).astype(np.float32),
    )
    assert "distance" not in encoder_trainer(photos(pack), latents=generator_latents).step(0)
    assert encoder_trainer(known, latents=generator_latents).step(0)["distance"] > 0
    assert encoder_trainer(known, latents=generator_latents, mirrored_share=1.0).step(0)["distance"] == 0


def test_an_encoder_does_not_draw_what_was_pasted(pack):
    """The target under an occlusion is the clean crop."""
    trainer = encoder_trainer(pack, occluded_share=1.0)
    examples = trainer._examples(np.arange(4), torch.Generator().manual_seed(0), 0.0)
    perfect, _ = image_terms(LossNetworks(), ImageWeights(), examples.clean, examples.clean, trainer._weight(examples))
    copied, _ = image_terms(LossNetworks(), ImageWeights(), examples.crop, examples.clean, trainer._weight(examples))
    assert perfect.item() == 0 < copied.item()


def test_what_an_accessory_hides_costs_nothing(pack):
    trainer = encoder_trainer(pack, occluded_share=0.0)
    examples = trainer._examples(np.arange(4), torch.Generator().manual_seed(0), 0.0)
    spoilt = torch.where(examples.rendered > 0, -examples.clean, examples.clean)
    networks = LossNetworks(vgg=VGG19Features((3, 3, 3, 3, 3)))
    # The square error only: edges and features of networks reach over the accessory's border.
    _, values = image_terms(networks, ImageWeights(style=1.0), spoilt, examples.clean, trainer._weight(examples))
    assert values["square"] == 0 and values["perceptual"] == 0 and values["style"] == 0


def test_the_first_steps_have_one_style_for_all_layers(pack):
    trainer = encoder_trainer(pack, images=24, progressive_begin=8, progressive_every=4)
    assert [trainer._active(step) for step in range(6)] == [1, 1, 2, 3, 4, 5]


def test_without_an_adversary_there_is_no_critic(pack):
    trainer = encoder_trainer(pack, adversarial=0.0)
    before = deepcopy(trainer.critic.state_dict())
    assert {"critic", "adversarial"}.isdisjoint(trainer.step(0))
    assert all(torch.equal(t, before[name]) for name, t in trainer.critic.state_dict().items())


def test_networks_that_are_given_are_used_and_told(pack):
    torch.manual_seed(0)
    networks = LossNetworks(vgg=VGG19Features((3, 3, 3, 3, 3)), embed=lambda x: x.mean(dim=(2, 3)))
    trainer = encoder_trainer(pack, networks=networks)
    values = trainer.step(0)
    assert {"perceptual", "style", "identity"} <= values.keys() and "structure" not in values
    assert trainer.fingerprint()["terms"] == {
        "vgg": network_digest(networks.vgg), "features": None, "embed": "a function",
    }  # fmt: skip
    model = tiny_model()
    instead = LossNetworks(features=encoder_features(model.encoder))
    values = decomposition_trainer(pack, networks=instead, image=ImageWeights(perceptual=1.0)).step(0)
    assert {"structure", "features"} <= values.keys() and "identity" not in values


@pytest.mark.parametrize("make", [encoder_trainer, decomposition_trainer])
def test_a_training_writes_grids_and_checkpoints(pack, tmp_path, make):
    trainer = make(pack)
    result = run_training(trainer, steps=trainer.steps, folder=tmp_path, options=QUIET)
    assert result.finished and (tmp_path / "grids" / "00000002.png").is_file()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("make", [encoder_trainer, decomposition_trainer])
def test_crops_that_are_too_small_are_refused(make):
    small = Dataset.from_arrays(crops=np.zeros((2, 3, 16, 16), np.uint8))
    with pytest.raises(TrainingError, match="crops of 16 pixels are too small for a generator of 32"):
        make(small)


def test_the_blended_image_is_what_the_image_terms_see(pack):
    trainer = decomposition_trainer(pack)
    examples = trainer._examples(np.arange(4), torch.Generator().manual_seed(0))
    result = invert_at(trainer.model, examples.crop, trainer.config.levels)
    everywhere = torch.ones_like(examples.cover)
    _, values = image_terms(LossNetworks(), ImageWeights(), result.reconstruction, examples.crop, everywhere)
    assert values["square"] == pytest.approx((result.reconstruction - examples.crop).square().mean().item(), rel=1e-5)


def test_the_released_preset_is_the_released_training():
    training = released().decomposition
    assert (training.batch, training.momentum, training.schedule) == (2, 0.0, "released")
    assert vars(training.image) == {"square": 1.0, "perceptual": 1.0, "style": 50.0, "identity": 0.1}
    assert training.supervision is None and training.occluded_share == 0 and training.mirrored_share == 0.5
    assert dict(training.level_area_limits) == {32: 0.3, 64: 0.3, 128: 0.2, 256: 0.2}
    assert (training.regularisation, training.binary_weight, training.area_limit) == (5.0, 0.04, 0.2)
    # Decay per iteration of two images.
    assert (
        0.5 ** (training.batch / training.ema_images)
        == pytest.approx(0.5 ** (32 / 10_000))
        == pytest.approx(0.99778, abs=1e-5)
    )
    assert dict(released((16, 32, 64)).decomposition.level_area_limits) == {16: 0.3, 32: 0.3, 64: 0.2}
    assert released().choices.gate_warp and not released().choices.see_error


def test_improved_without_supervision_differs_in_losses_only():
    taught, untaught = improved().decomposition, improved(supervised=False).decomposition
    assert taught.supervision is not None and untaught.supervision is None
    same = replace(
        taught,
        supervision=None,
        image=untaught.image,
        regularisation=untaught.regularisation,
        area_limit=untaught.area_limit,
    )
    assert same == untaught and improved(supervised=False).choices == improved().choices


def test_a_training_against_other_frozen_networks_is_another_one(pack, tmp_path):
    def changed(network):
        """The same but for one tensor."""
        network = deepcopy(network)
        next(iter(network.parameters())).data.add_(1e-3)
        return network

    torch.manual_seed(0)
    generator, vgg, model = Generator(GENERATOR), VGG19Features((3, 3, 3, 3, 3)), tiny_model()
    labels, eyes = ("smile",), AttributeRegressor(RegressorConfig(labels=("smile",), resolution=16, widths=(4,)))
    config, training = model.decomposition.config, DecompositionTraining(images=8, batch=4)

    def encoder(generator=generator, **rest):
        return EncoderTrainer(pack, generator, ENCODER, EncoderTraining(images=8, batch=4), **rest)

    def decomposition(model=model, **rest):
        return DecompositionTrainer(pack, model, config, training, **rest)

    def directions(data=pack, regressor=eyes):
        return DirectionTrainer(
            data, generator, DirectionSearch(names=labels), encoder=model.encoder, regressor=regressor
        )

    noise = torch.zeros(2, 3, 32, 32)
    moved = replace(pack, labels=pack.labels | {"age": -pack.labels["age"]})
    trainers = {
        "encoder": [
            encoder(), encoder(changed(generator)), encoder(networks=LossNetworks(vgg=vgg)),
            encoder(networks=LossNetworks(vgg=changed(vgg))), encoder(networks=LossNetworks(embed=eyes.embed)),
            encoder(networks=LossNetworks(embed=changed(eyes).embed)), encoder(photographs=noise),
            encoder(photographs=noise + 1),
        ],
        "decomposition": [
            decomposition(), decomposition(InversionModel(changed(model.encoder), model.generator, None)),
            decomposition(InversionModel(model.encoder, changed(model.generator), None)),
        ],
        "directions": [directions(), directions(moved), directions(regressor=changed(eyes))],
    }  # fmt: skip
    for made in trainers.values():
        told = [json.dumps(trainer.fingerprint(), sort_keys=True) for trainer in made]
        assert len(set(told)) == len(told)
        assert json.dumps(made[0].fingerprint(), sort_keys=True) == told[0]
    assert encoder().fingerprint() == trainers["encoder"][0].fingerprint()
    run_training(encoder(), steps=1, folder=tmp_path, options=QUIET)
    with pytest.raises(CheckpointError, match="generator: expected"):
        run_training(encoder(changed(generator)), steps=1, folder=tmp_path, options=QUIET)


def test_a_training_that_was_stopped_is_not_handed_on_as_finished(pack, tmp_path):
    brief, model = LoopOptions(progress=False, seconds=1e-6), tiny_model()
    starts = [
        lambda folder: train_encoder(
            pack, Generator(GENERATOR), ENCODER, EncoderTraining(images=8, batch=4), folder, options=brief
        ),
        lambda folder: train_decomposition(
            pack, model, model.decomposition.config, DecompositionTraining(images=8, batch=4), folder, options=brief
        ),
        lambda folder: train_regressor(pack, folder, RegressorTraining(images=8, batch=4), options=brief),
        lambda folder: train_generator(
            pack,
            GENERATOR,
            GeneratorTraining(phases=(Phase(resolution=32, images=8),), batch=4),
            folder,
            options=brief,
        ),
    ]
    for number, start in enumerate(starts):
        with pytest.raises(TrainingStopped, match=r"out of time after 1 of 2 steps; .*step-00000001, and the same"):
            start(tmp_path / str(number))
    assert describe(TrainingStopped("Stopped."))[0] == "infrastructure"


@pytest.mark.parametrize("training", [EncoderTraining, DecompositionTraining, RegressorTraining])
def test_rates_that_teach_nothing_are_refused(training):
    with pytest.raises(TrainingError, match=r"rate must be a number above 0, got -1\.0"):
        training(rate=-1.0)
    with pytest.raises(TrainingError, match="final_rate must be a number of at least 0, got nan"):
        training(final_rate=float("nan"))


def test_wrong_numbers_are_refused_in_words():
    with pytest.raises(TrainingError, match="at least one batch of images, got 4 in batches of 8"):
        DecompositionTraining(images=4)
    with pytest.raises(TrainingError, match=r"occluded_share must be in \[0, 1\], got 2"):
        EncoderTraining(occluded_share=2.0)

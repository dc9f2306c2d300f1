"""What a training is asked for, from files and the command line."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from click.testing import CliRunner

from flows.cli import main
from flows.read_config import configured, read_settings
from flows.read_request import RequestError
from flows.train import training_job
from flows.train_request import Kind, TrainRequest
from oodinv.training.inverter_recipes import DecompositionRecipe, EncoderRecipe
from oodinv.training.phases import Phase
from oodinv.training.presets import improved, released
from oodinv.training.recipes import RECIPES, GeneratorRecipe


@pytest.mark.parametrize("kind", RECIPES)
def test_nothing_set_is_the_recipe(kind):
    assert configured(RECIPES[kind].config, {}) == RECIPES[kind].config()


def test_the_command_and_the_form_know_every_recipe():
    (argument,) = [parameter for parameter in main.commands["train"].params if parameter.name == "kind"]
    assert set(argument.type.choices) == set(get_args(Kind)) == set(RECIPES)


@pytest.mark.parametrize("kind", RECIPES)
def test_a_dry_run_prints_the_whole_configuration(kind):
    ran = CliRunner().invoke(main, ["train", kind, "--data", "d", "--out", "o", "--dry-run"])
    assert ran.exit_code == 0
    assert configured(RECIPES[kind].config, json.loads(ran.output)) == RECIPES[kind].config()


def test_a_file_changes_the_recipe_and_assignments_change_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "network: {resolution: 64}\ntraining:\n  batch: 16\n  phases:\n"
        "  - {resolution: 64, images: 100, rate: 1.0e-3}\n"
    )
    settings = read_settings(file, ["training.batch=4", "training.mixing=0.5", "training.paired=false"])
    made = configured(GeneratorRecipe, settings)
    assert made.network.resolution == 64 and made.network.channel_base == GeneratorRecipe().network.channel_base
    assert made.training.phases == (Phase(resolution=64, images=100, rate=1e-3),)
    assert (made.training.batch, made.training.mixing, made.training.paired) == (4, 0.5, False)
    assert made.training.r1 == GeneratorRecipe().training.r1


def test_a_preset_gives_the_numbers_that_are_not_set():
    made = configured(DecompositionRecipe, read_settings(None, ["preset=released", "training.batch=4"]))
    theirs = released()
    assert made.training == replace(theirs.decomposition, batch=4) and made.choices == theirs.choices
    made = configured(DecompositionRecipe, read_settings(None, ["preset=unsupervised", "choices.gate_warp=true"]))
    assert made.training == improved(supervised=False).decomposition != improved().decomposition
    assert made.choices == replace(improved().choices, gate_warp=True)
    assert configured(EncoderRecipe, {"preset": "released"}).training == theirs.encoder
    assert DecompositionRecipe(preset="released", levels=(8, 16)).training.level_area_limits == {8: 0.3, 16: 0.3}
    with pytest.raises(RequestError, match="preset: expected one of improved, unsupervised, released, got 'relaesed'"):
        configured(EncoderRecipe, {"preset": "relaesed"})


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.bach=4", "unknown setting 'training.bach': expected some of phases, batch"),
        ("bach=4", "unknown setting 'bach': expected some of network, training"),
        ("training.phases=[{image: 5}]", "unknown setting 'training.phases.0.image'"),
        ("training.phases=[{images: 5}]", "setting training.phases.0.resolution: Field required"),
        ("training.batch=many", r"setting training\.batch: .*valid integer.*got 'many'"),
        ("training.r1=.nan", r"setting training\.r1: expected a finite number, got nan"),
        ("training.phases=[{resolution: 8, images: 5, rate: -1}]", "rate must be a number above 0, got -1"),
        ("training.batch=0", "batch must be at least 1, got 0"),
        ("network.resolution=100", "power of two from 8, got 100"),
    ],
)
def test_a_setting_that_cannot_be_is_named(assignment, message):
    with pytest.raises(RequestError, match=message):
        configured(GeneratorRecipe, read_settings(None, [assignment]))


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(RequestError, match=r"NAME=VALUE, such as training\.batch=16, got 'batch'"):
        read_settings(None, ["batch"])
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(RequestError, match="must hold settings like"):
        read_settings(tmp_path / "list.yaml", [])
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    with pytest.raises(RequestError, match="is not readable"):
        read_settings(tmp_path / "broken.yaml", [])


def test_a_request_becomes_a_job():
    request = TrainRequest(
        kind="encoder",
        data=("a", "b"),
        out="o",
        inputs={"generator": "g"},
        seconds=5,
        cache="fast disk",
        settings={"training": {"seed": 3}},
    )
    job = training_job(request)
    assert [str(path) for path in (*job.data, job.out, job.inputs["generator"])] == ["a", "b", "o", "g"]
    assert str(job.cache) == "fast disk"
    assert job.options.seconds == 5 and job.config.training.seed == 3


def test_bad_options_end_with_one_line_and_the_users_code():
    ran = CliRunner().invoke(main, ["train", "generator", "--data", "d", "--out", "o", "--workers", "0"])
    assert ran.exit_code == 2 and "--workers: Input should be greater than or equal to 1, got '0'" in ran.stderr

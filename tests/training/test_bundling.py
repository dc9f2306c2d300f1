"""Bundles of what trainings have left."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from flows.cli import main
from oodinv.bundles.bundle import load_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.training.bundle_card import row_of
from oodinv.training.bundling import BuildRequest, build_bundle
from oodinv.training.errors import TrainingError
from oodinv.training.regressor import regressor_sha256
from oodinv.training.seen import Seen
from oodinv.training.trained import save_trained
from oodinv.training.trained_parts import find_encoder, find_generator, find_latents, read_latents

PARTS = ("generator", "encoder", "decomposition", "directions")


def request(chain, out: Path, **changed) -> BuildRequest:
    parts = {part: chain[part] for part in PARTS}
    usual = {"out": out, "parts": parts, "name": "mine", "licence": "ours", "provenance": "noise", "dtype": "float32"}
    return BuildRequest(**(usual | changed))


def test_the_bundle_is_the_networks_that_were_trained(chain, portraits, tmp_path):
    made = build_bundle(request(chain, tmp_path / "bundle", composition="minimum"))
    loaded = load_bundle(str(made.folder))
    for name, trained in (("generator", find_generator), ("encoder", find_encoder)):
        ours, theirs = getattr(loaded.model, name).state_dict(), trained(chain[name]).state_dict()
        counters = {key for key in theirs if key.endswith("num_batches_tracked")}
        for key in theirs.keys() - counters:
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0)
    assert made.spec.edit_composition == "minimum" and made.spec.directions.regressor_sha256 == regressor_sha256(
        chain["regressor"]
    )
    inverter = Inverter(loaded)
    inversion = inverter.invert(portraits.crops(np.arange(2)))
    assert not torch.equal(inverter.edit(inversion, [Edit("smile", 2.0)]).generated, inversion.generated)


def test_the_bundle_tells_latents_and_what_was_seen(chain, portraits, tmp_path):
    made = build_bundle(request(chain, tmp_path / "bundle"))
    latents, source = find_latents(made.folder, portraits, find_generator(made.folder))
    torch.testing.assert_close(latents.mean, read_latents(chain["generator"]).mean, rtol=0, atol=0)
    assert source.standardise.noise == pytest.approx(0.07)
    assert Seen.read(made.folder).shared_with(portraits) == "16 seeds"
    card = (made.folder / "card.md").read_text()
    assert "Seen in training: 16 rendered portraits" in card and "## What was measured" in card
    assert "| encoder |" in card and "`training.images` 4" in card and "`training.rate`" not in card


def test_of_a_part_that_does_not_tell_what_it_has_seen_the_bundle_tells_nothing(chain, tmp_path):
    other = tmp_path / "generator"
    save_trained(other, kind="generator", config=find_generator(chain["generator"]).config,
                 network=find_generator(chain["generator"]))  # fmt: skip
    lines: list[str] = []
    made = build_bundle(
        request(chain, tmp_path / "bundle", parts={"generator": other, "encoder": chain["encoder"]}), lines.append
    )
    assert made.spec.seen is None and made.spec.decomposition is None and made.spec.edits == {}
    assert "will not tell either" in lines[0]


def test_parts_may_come_from_a_bundle(chain, tmp_path):
    first = build_bundle(request(chain, tmp_path / "first")).folder
    second = build_bundle(request(chain, tmp_path / "second", parts=dict.fromkeys(PARTS, first)))
    files = ("generator.safetensors", "decomposition.safetensors", "directions.safetensors", "latents.safetensors")
    for name in files:
        assert (second.folder / name).read_bytes() == (first / name).read_bytes()
    assert second.spec.edits == load_bundle(str(first)).bundle.spec.edits
    cards = [(folder / "card.md").read_text() for folder in (first, second.folder)]
    rows = [[row_of(card, part) for part in PARTS] for card in cards]
    assert rows[0] == rows[1] and all(row is not None for row in rows[0]) and row_of(cards[0], "identity") is None


def test_networks_that_were_not_trained_together_are_refused(chain, tmp_path):
    other = tmp_path / "generator"
    generator = find_generator(chain["generator"])
    generator.latent_avg.add_(1)
    save_trained(other, kind="generator", config=generator.config, network=generator)
    parts = {part: chain[part] for part in PARTS} | {"generator": other}
    with pytest.raises(TrainingError, match="trained against another generator"):
        build_bundle(request(chain, tmp_path / "bundle", parts=parts))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"parts": {}}, "generator, encoder missing"),
        ({"labels": ("smile", "hats")}, "no direction hats: there are smile"),
        ({"dtype": "int8"}, "float16 or float32"),
    ],
)
def test_a_bundle_that_cannot_be_built_is_refused(chain, tmp_path, changed, expected):
    with pytest.raises(TrainingError, match=expected):
        build_bundle(request(chain, tmp_path / "bundle", **changed))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("damage", ["{", "[]", json.dumps({"edits": {"smile": {}}}), None])
def test_damaged_directions_are_refused(chain, tmp_path, damage):
    folder = tmp_path / "directions"
    folder.mkdir()
    if damage is not None:
        (folder / "directions.json").write_text(damage)
    parts = {part: chain[part] for part in PARTS} | {"directions": folder}
    with pytest.raises(TrainingError, match="directions"):
        build_bundle(replace(request(chain, tmp_path / "bundle"), parts=parts))


def test_the_command(chain, tmp_path):
    folders = [argument for part in PARTS for argument in (f"--{part}", str(chain[part]))]
    said = ["--licence", "ours", "--provenance", "noise", "--out", str(tmp_path / "mine")]
    ran = CliRunner().invoke(main, ["bundle", "build", *folders, *said])
    assert ran.exit_code == 0, ran.output
    assert "32 px, edits smile" in ran.output
    again = CliRunner().invoke(main, ["bundle", "build", *folders, *said])
    assert again.exit_code == 2 and "exists already" in again.output

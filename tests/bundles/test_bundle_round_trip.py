import json

import pytest
import torch
from tiny_bundle import tiny_directions, tiny_fields, tiny_model, write_tiny_bundle

from oodinv.bundles.bundle import bundle_names, find_bundle, load_bundle
from oodinv.bundles.describe import describe_bundle, verify_bundle
from oodinv.bundles.inverter import Inverter

FINER_THAN_A_GREY_LEVEL = 2 / 255


def crops(count=3):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_saved_in_full_precision_the_weights_come_back_exactly(tmp_path):
    model, directions = tiny_model(), tiny_directions()
    loaded = load_bundle(str(write_tiny_bundle(tmp_path / "b", dtype=torch.float32)))
    for ours, theirs in zip(model.state_dict().values(), loaded.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert all(torch.equal(loaded.directions[name], tensor) for name, tensor in directions.items())
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())


def test_half_precision_changes_images_by_less_than_one_grey_level(tmp_path, tiny_bundle):
    full = Inverter.from_bundle(str(write_tiny_bundle(tmp_path / "b", dtype=torch.float32)))
    half = Inverter.from_bundle(str(tiny_bundle))
    drawn = [inverter.synthesise(inverter.invert(crops()).w_plus) for inverter in (full, half)]
    difference = (drawn[0].clamp(-1, 1) - drawn[1].clamp(-1, 1)).abs()
    assert 0 < difference.max() < FINER_THAN_A_GREY_LEVEL


def test_the_same_networks_written_twice_are_the_same_bundle(tmp_path, tiny_bundle):
    again = find_bundle(str(write_tiny_bundle(tmp_path / "b")))
    assert again.sha256 == find_bundle(str(tiny_bundle)).sha256


def test_any_change_of_the_weights_changes_the_bundle(tmp_path, tiny_bundle):
    other = write_tiny_bundle(tmp_path / "b", keep_all=True)
    assert find_bundle(str(other)).sha256 != find_bundle(str(tiny_bundle)).sha256


def test_the_spec_says_what_was_saved(tiny_bundle):
    content = json.loads((tiny_bundle / "bundle.json").read_text())
    for name, value in tiny_fields().items():
        stored = (
            {k: v for k, v in content[name].items() if k not in ("file", "sha256")}
            if isinstance(value, dict)
            else content[name]
        )
        assert stored == value  # fmt: skip


def test_a_bundle_describes_its_edits_and_shows_its_card(tiny_bundle):
    text = describe_bundle(str(tiny_bundle))
    assert "tiny 1, setting improved, 32 px, licence Apache-2.0" in text
    assert "yaw: 1 = a random step; safe from -2 to 2" in text
    assert text.endswith("# Tiny\n")


@pytest.fixture(scope="module")
def embedded():
    return Inverter.from_bundle("embedded")


def test_the_embedded_bundle_is_whole_and_small():
    assert bundle_names() == ["embedded"]
    assert "is whole: 6 files" in verify_bundle("embedded")
    folder = find_bundle("embedded").folder
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 25e6
    assert (folder / "card.md").is_file()


def test_the_embedded_bundle_has_the_promised_edits(embedded):
    assert set(embedded.bundle.spec.edits) == {"smile", "age", "gender", "yaw", "mouth_open"}
    assert embedded.resolution in (64, 128)
    for edit in embedded.bundle.spec.edits.values():
        low, high = edit.safe_range
        assert low < 0 < high and "standard deviation" in edit.unit


def test_the_embedded_bundle_inverts_a_grey_crop_the_same_way_every_time(embedded):
    grey = torch.zeros(1, 3, embedded.resolution, embedded.resolution)
    first, second = embedded.invert(grey), embedded.invert(grey)
    assert torch.isfinite(first.generated).all() and torch.isfinite(first.reconstruction).all()
    assert torch.equal(first.generated, second.generated) and torch.equal(first.ood_mask, second.ood_mask)
    assert 0 <= first.ood_mask.min() and first.ood_mask.max() <= 1

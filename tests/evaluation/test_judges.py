"""Identity and face detection: what is missing counts against the model."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_bundle import write_tiny_bundle

from oodinv.bundles.bundle import find_bundle, load_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.evaluate import evaluate
from oodinv.evaluation.independence import INDEPENDENT, SAME, UNKNOWN, independence, seen_before
from oodinv.evaluation.judges import Judges, load_judges
from oodinv.evaluation.reconstruction import identity_kept, measure_reconstruction
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.table import markdown
from oodinv.evaluation.tally import Quantity
from oodinv.models.identity import IdentityConfig, IdentityNetwork
from oodinv.training.regressor import AttributeRegressor, RegressorConfig
from oodinv.training.seen import Seen


class SeesBright:
    """Finds a face in every picture that is not dark."""

    name = "sees-bright"
    weights_sha256 = "0" * 64

    def detect(self, photo):
        return ["face"] if photo.mean() > 100 else []


@pytest.fixture(scope="module")
def with_identity(tiny_bundle):
    torch.manual_seed(0)
    shape = IdentityConfig(input_resolution=16, stem_width=4, widths=(4, 4, 8, 8), units=(1, 1, 1, 1), embedding_dim=8)
    return Inverter(replace(load_bundle(str(tiny_bundle)), identity=IdentityNetwork(shape).eval()))


def test_identity_is_one_for_the_same_face_and_zero_for_a_failed_picture(with_identity, portraits):
    crop = portraits.crops(np.arange(3), 32)
    broken = crop.clone()
    broken[1] = torch.nan
    kept = identity_kept(with_identity, crop, broken, np.array([False, True, False]))
    assert kept[[0, 2]] == pytest.approx(1, abs=1e-5) and kept[1] == 0
    assert identity_kept(with_identity, crop, -crop, np.zeros(3, bool)).max() < 1


def test_a_picture_without_a_face_is_a_failure_with_identity_zero(with_identity, portraits):
    crop = portraits.crops(np.arange(4), 32) * 0.3 + 0.3
    crop[3] = -0.9  # no face is found in this photo itself
    with torch.inference_mode():
        honest = with_identity.invert(crop, plain=True)
    picture = torch.full_like(crop, 0.5)
    picture[2:] = -1
    inversion = replace(honest, plain=picture)
    measured = measure_reconstruction(crop, inversion, {}, with_identity, Judges(detector=SeesBright()))
    found, failed = measured[Quantity("reconstruction", "whole", "plain", "face_found")]
    assert found[:3].tolist() == [1, 1, 0] and np.isnan(found[3]) and failed.tolist() == [False, False, True, False]
    kept, _ = measured[Quantity("reconstruction", "whole", "plain", "identity")]
    assert kept[2] == 0 and kept[0] != 0 and kept[3] != 0


def test_a_picture_that_is_no_number_has_no_face():
    images = torch.full((2, 3, 32, 32), 0.9)
    images[1, 0, 0, 0] = torch.nan
    assert Judges(detector=SeesBright()).faces(images).tolist() == [True, False]
    assert Judges().faces(images) is None


def test_a_trained_regressor_is_loaded_and_named_in_the_protocol(tmp_path, tiny, portraits):
    torch.manual_seed(0)
    network = AttributeRegressor(RegressorConfig(labels=("smile", "light"), resolution=16, widths=(4, 8)))
    network.save(tmp_path / "regressor.safetensors")
    judges = load_judges(regressor=tmp_path)
    settings = Settings(parts=("attributes",), edit_count=2, strengths=(1.0,))
    found = evaluate({"b": tiny}, {"d": portraits}, settings, judges=judges)
    assert found.curves["d", "b"].attributes.gain.attributes == ("smile", "light")
    text = markdown(found)
    assert "independent" not in text and "‡ b: the regressor is not known to be another" in text
    digest = hashlib.sha256((tmp_path / "regressor.safetensors").read_bytes()).hexdigest()
    assert digest in found.protocol.facts["regressor"]


def test_a_regressor_is_independent_only_of_directions_that_another_one_made(tiny):
    spec = tiny.bundle.spec
    directions = spec.directions.model_copy(update={"regressor_sha256": "ab" * 32})
    told = spec.model_copy(update={"directions": directions})
    assert independence(told, Judges(regressor_sha256="ab" * 32)) == SAME
    assert independence(told, Judges(regressor_sha256="cd" * 32)) == INDEPENDENT
    assert independence(spec, Judges(regressor_sha256="cd" * 32)) == independence(told, Judges()) == UNKNOWN


def test_pictures_that_a_bundle_was_trained_on_are_told(tmp_path, portraits):
    folder = write_tiny_bundle(tmp_path / "tiny")
    tell_seen(folder, Seen.of(portraits.subset(slice(3))))
    bundle = find_bundle(str(folder))
    others = portraits.subset(slice(3, None))
    told = seen_before(bundle, {"old": portraits, "new": others})
    assert told == ["NOT HELD OUT: trained on 3 pictures of dataset old"]
    inverter = Inverter.from_bundle(str(folder))
    facts = evaluate({"b": inverter}, {"old": portraits}, Settings(parts=("generator",), generator_count=1)).protocol
    assert "NOT HELD OUT: trained on 3 pictures" in facts.facts["bundle b"]


def test_a_bundle_that_does_not_tell_what_it_has_seen_is_not_accused(tiny, portraits):
    assert seen_before(tiny.bundle, {"d": portraits}) == []


def tell_seen(folder, seen):
    """Add `seen.json` to a bundle that lies there."""
    fields = json.loads((folder / "bundle.json").read_text())
    (folder / "seen.json").write_bytes(seen.to_bytes())
    fields["seen"] = {"file": "seen.json", "sha256": hashlib.sha256(seen.to_bytes()).hexdigest()}
    (folder / "bundle.json").write_text(json.dumps(fields))

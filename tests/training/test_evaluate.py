import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_model

from oodinv.models.inversion import InversionModel
from oodinv.training.card import write_card
from oodinv.training.data.pictures import StoredPictures
from oodinv.training.embedded import Recipe
from oodinv.training.evaluate import blurred_error, evaluate


class Scripted(InversionModel):
    """Inverts as it is told: with a given mask and a given picture."""

    def answer(self, mask, picture):
        self.mask, self.picture, self.seen = mask, picture, 0
        return self

    def invert(self, crop, **_):
        part = slice(self.seen, self.seen + len(crop))
        self.seen += len(crop)
        honest = super().invert(crop)
        picture = self.picture[part]
        return replace(honest, ood_mask=self.mask[part], plain=picture, generated=picture)


def without_accessories(data):
    index = np.arange(len(data))
    return replace(data, accessory_pictures=StoredPictures(pixels=np.zeros_like(data.accessory_pictures.read(index))))


@pytest.fixture
def scripted(pack):
    """A function from a mask and a picture to the scores; by default the true mask and the crops themselves."""
    index = np.arange(len(pack))
    truth, crop = pack.out_of_domain(index), pack.crops(index)

    def score(mask=None, picture=None, batch=3):
        model = tiny_model()
        answering = Scripted(model.encoder, model.generator, model.decomposition)
        answering.answer(truth if mask is None else mask(truth), crop if picture is None else picture(crop, truth))
        return evaluate(answering, pack, batch=batch)

    return score


def test_the_true_mask_scores_perfectly(scripted):
    scores = scripted()
    assert scores.auroc_ood == scores.auroc_accessory == scores.iou_ood == 1
    assert scores.mask_area == pytest.approx(scores.true_area)
    assert scores.count == 8


def test_the_opposite_mask_scores_zero_and_a_constant_one_half(scripted):
    assert scripted(mask=lambda truth: 1 - truth).auroc_ood == 0
    flat = scripted(mask=lambda truth: torch.full_like(truth, 0.3))
    assert flat.auroc_ood == flat.auroc_accessory == 0.5 and flat.mask_area == pytest.approx(0.3)


def test_a_mask_of_one_reconstructs_perfectly_and_its_area_tells(scripted):
    scores = scripted(mask=torch.ones_like, picture=lambda crop, truth: torch.zeros_like(crop))
    assert math.isinf(scores.psnr_blended) and scores.psnr_plain < 20
    assert scores.mask_area == 1


def test_an_error_inside_the_mask_is_repaired_and_elsewhere_stays(scripted):
    scores = scripted(picture=lambda crop, truth: crop * 0.9 + 0.02 - 0.5 * truth)
    assert math.isinf(scores.psnr_blended_ood) and scores.psnr_plain_ood < 20
    assert scores.psnr_blended_face == pytest.approx(scores.psnr_plain_face)
    assert scores.psnr_plain_face > 20
    assert scores.auroc_ood_baseline > 0.8


def test_scores_do_not_depend_on_the_batch(scripted):
    first, second = (scripted(picture=lambda crop, truth: crop * 0.8, batch=batch) for batch in (3, 8))
    for name, value in vars(first).items():
        assert getattr(second, name) == pytest.approx(value, nan_ok=True, rel=1e-5)


def test_a_pack_without_accessories_has_no_accessory_score(pack):
    bare = without_accessories(pack)
    scores = evaluate(tiny_model(), bare)
    assert math.isnan(scores.auroc_accessory) and not math.isnan(scores.auroc_ood)
    assert 0 <= scores.mask_area <= 1


def test_the_baseline_is_the_error_averaged_over_five_by_five():
    crop = torch.zeros(1, 3, 9, 9)
    plain = crop.clone()
    plain[..., 4, 4] = 1
    blurred = blurred_error(plain, crop)
    assert blurred.shape == (1, 1, 9, 9)
    assert blurred[0, 0, 4, 4].item() == pytest.approx(1 / 25) and blurred[0, 0, 1, 1].item() == 0


def test_the_card_states_every_score_and_a_dash_for_what_has_none(pack):
    model = tiny_model()
    bare = without_accessories(pack)
    card = write_card(model, Recipe(), 10, 20, {"worn": evaluate(model, pack), "bare": evaluate(model, bare)})
    rows = [line for line in card.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    assert rows[0] == "| | worn | bare |" and all(line.count("|") == 4 for line in rows)
    accessory = next(line for line in rows if line.startswith("| AUROC of the mask, accessory"))
    assert accessory.endswith("| – |") and "nan" not in card

"""What theory says about the true mask, its opposite, a constant one, and pictures that are not numbers."""

import math

import numpy as np
import pytest
import torch

from oodinv.evaluation.evaluate import evaluate
from oodinv.evaluation.pictures import CEILING_DB
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.table import markdown
from oodinv.evaluation.tally import Quantity

ONLY = Settings(parts=("reconstruction",), batch=8)


def quantity(region, method, metric):
    section = "mask" if metric in ("auroc", "auroc_image", "iou", "ece", "area") else "reconstruction"
    return Quantity(section, region, method, metric)


@pytest.fixture
def truth(portraits):
    return portraits.out_of_domain(np.arange(len(portraits)), 32)


@pytest.fixture
def crop(portraits):
    return portraits.crops(np.arange(len(portraits)), 32)


@pytest.fixture
def score(portraits, scripted):
    """Masks and pictures to a function that looks up a number."""

    def run(mask, picture, settings=ONLY):
        found = evaluate({"b": scripted(mask, picture)}, {"d": portraits}, settings)

        def value(region, method, metric, group="all"):
            row = found.value("d", "b", quantity(region, method, metric), group)
            return math.nan if row is None else row.value

        value.evaluation = found
        return value

    return run


def test_the_true_mask_is_perfect_and_its_area_is_the_true_one(score, truth, crop):
    value = score(truth, crop)
    for region in ("accessory", "union"):
        assert value(region, "mask", "auroc") == value(region, "mask", "iou") == 1
        assert value(region, "mask", "auroc_image") == 1 and value(region, "mask", "ece") == pytest.approx(0, abs=1e-9)
    assert value("whole", "mask", "area") == pytest.approx(value("whole", "truth", "area"))
    assert value("union", "everything", "auroc") == value("accessory", "true background", "auroc") == 0.5
    assert "†" not in markdown(value.evaluation)


def test_the_opposite_mask_scores_zero_and_a_constant_one_half(score, truth, crop):
    assert score(1 - truth, crop)("union", "mask", "auroc") == 0
    flat = score(torch.full_like(truth, 0.3), crop)
    assert flat("union", "mask", "auroc") == flat("accessory", "mask", "auroc") == 0.5
    assert flat("whole", "mask", "area") == pytest.approx(0.3) and flat("union", "mask", "iou") == 0


def test_a_mask_of_one_everywhere_reconstructs_perfectly_and_is_flagged_by_its_area(score, truth, crop):
    value = score(torch.ones_like(truth), torch.zeros_like(crop))
    assert value("whole", "mask", "area") == 1
    assert value("accessory", "mask", "auroc") == value("union", "mask", "auroc") == 0.5
    assert value("whole", "full", "psnr") == pytest.approx(CEILING_DB, abs=0.2)
    assert value("whole", "plain", "psnr") < 20 and value("whole", "full", "ssim") == pytest.approx(1, abs=1e-3)
    assert "† The mask keeps more than" in markdown(value.evaluation)


def test_an_error_inside_the_mask_is_repaired_and_elsewhere_stays(score, truth, crop):
    value = score((truth > 0.99).float(), (crop * 0.9 + 0.02 - 0.5 * truth))
    assert value("ood", "full", "psnr") > 40 and value("ood", "plain", "psnr") < 20
    assert value("face", "full", "psnr") == pytest.approx(value("face", "plain", "psnr"), abs=0.1)
    assert value("face", "plain", "psnr") > 20
    assert value("union", "error map", "auroc") > 0.8


def test_numbers_do_not_depend_on_the_batch(score, truth, crop):
    first, second = (
        score(0.9 * truth, 0.8 * crop, Settings(parts=("reconstruction",), batch=batch)).evaluation for batch in (3, 8)
    )
    for row in first.rows:
        other = second.value("d", "b", row.quantity, row.group)
        if row.quantity.section != "cost":
            assert (other.count, other.failed) == (row.count, row.failed)
            assert other.value == pytest.approx(row.value, nan_ok=True, rel=1e-5), row


def test_kinds_are_measured_apart_and_what_has_nothing_to_find_is_no_zero(score, truth, crop, portraits):
    value = score(torch.where(truth > 0.5, 0.9, 0.1), crop)
    rows = {row.group: row for row in value.evaluation.rows if row.quantity == quantity("accessory", "mask", "iou")}
    assert set(rows) == {"all", "worn", "hat", "glasses"}  # without an accessory there is no overlap to speak of
    assert rows["all"].count == 4 and rows["hat"].count == 2 and rows["all"].value == 1
    assert value("whole", "full", "psnr", "none") > 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_picture_that_is_not_finite_is_failed_and_no_number(score, truth, crop, bad):
    broken = crop.clone()
    broken[0, 0, 3, 3] = bad
    mask = (truth * 0.5).clone()
    found = score(mask, broken).evaluation
    row = found.value("d", "b", quantity("face", "full", "psnr"))
    assert (row.failed, row.count) == (1, 7) and math.isfinite(row.value)
    assert found.value("d", "b", quantity("union", "mask", "auroc_image")).failed == 1
    for metric in ("auroc", "ece"):  # pooled over pixels: the sample is missing there as well
        for group, failed, count in (("all", 1, 7), ("hat", 1, 1), ("glasses", 0, 2)):
            pooled = found.value("d", "b", quantity("union", "mask", metric), group)
            assert (pooled.failed, pooled.count) == (failed, count), (metric, group)
    (line,) = [line for line in markdown(found).splitlines() if "or background, calibration error" in line]
    assert "(1 failed)" in line
    assert found.value("d", "b", quantity("union", "everything", "auroc")).failed == 0
    assert found.value("d", "b", quantity("face", "full", "psnr"), "hat").failed == 1
    assert "(1 failed)" in markdown(found)


def test_photos_without_masks_are_measured_as_far_as_they_can_be(tiny, photos):
    found = evaluate({"tiny": tiny}, {"photos": photos}, ONLY)
    regions = {row.quantity.region for row in found.rows if row.quantity.section == "reconstruction"}
    assert regions == {"whole"} and {row.group for row in found.rows} == {"all"}
    assert found.value("photos", "tiny", quantity("whole", "mask", "area")).count == 8
    text = markdown(found)
    assert "photos has no true masks" in text and "nan" not in text and "By accessory" not in text


def test_lpips_and_identity_are_absent_with_a_reason_when_there_is_nothing_to_judge_by(tiny, portraits):
    found = evaluate({"tiny": tiny}, {"d": portraits}, ONLY)
    assert not {"lpips", "identity"} & {row.quantity.metric for row in found.rows}
    assert any("LPIPS" in reason for reason in found.absent) and any("identity" in reason for reason in found.absent)

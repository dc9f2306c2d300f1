import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from blocky_portraits import synthetic

from oodinv.edits import Edit
from oodinv.evaluation.counterfactuals import LEFT_OUT, MOVED, into_photos, readable_changes, usable_scales
from oodinv.evaluation.evaluate import evaluate
from oodinv.evaluation.groups import HELD_KINDS, OVERLAY_KINDS, attachment_groups
from oodinv.evaluation.judges import Judges
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.table import markdown
from oodinv.evaluation.tally import Quantity
from oodinv.imaging.convert import to_uint8
from oodinv.portraits import DESIGNS

EDITS = Settings(parts=("edits",), edit_count=3, batch=3)


def error(found, region, method, group="all", bundle="b"):
    return found.value("d", bundle, Quantity("edit", region, method, "absolute_error"), group)


@pytest.fixture(scope="module")
def copied(keep_all, portraits):
    return evaluate({"b": keep_all}, {"d": portraits}, EDITS)


def test_what_copies_the_photo_has_the_error_of_the_photo_left_as_it_was(copied, portraits):
    index = np.arange(3)
    crop, (truth, accessory, _) = portraits.crops(index, 32), portraits.counterfactual("smile+2", index, 32)
    apart = (crop - truth).abs().mean(dim=1, keepdim=True) * 127.5
    expected = [float((apart[n] * accessory[n]).sum() / accessory[n].sum()) for n in (0, 2)]  # others wear nothing
    for method in (
        "crop unedited photo",
        "crop reuse",
        "crop repredict",
        "crop minimum",
        "1x replace",
        "1x residual",
        "1x unedited photo",
    ):
        row = error(copied, "accessory", method, "smile")
        assert row.count == 2 and row.value == pytest.approx(np.mean(expected), abs=0.5), method


def test_errors_are_kept_by_attribute_and_by_counterfactual(copied):
    groups = {row.group for row in copied.rows}
    names = {"all", "smile", "smile+2", "yaw", "yaw-1"}
    assert groups == names | {f"{name}: attached" for name in names}  # hats and glasses; nobody holds anything
    attached, every = (error(copied, "accessory", "crop reuse", group) for group in ("yaw: attached", "yaw"))
    assert (attached.count, attached.value) == (every.count, every.value)
    assert error(copied, "face", "crop reuse").count == 6 and error(copied, "face", "crop reuse", "yaw").count == 3
    assert any("blink+1" in reason for reason in copied.absent)


def test_each_sample_is_edited_by_as_much_as_its_truth_moved(tiny):
    """Where the plausible range ends, the truth of smile+2 is a smaller change: three samples, one of them clipped."""
    amounts = np.full(8, 2.0)
    amounts[1:3] = 0.8, 0.1
    index, crops = np.arange(3), synthetic().crops(np.arange(3), 32)
    with torch.inference_mode():
        inversion = tiny.invert(crops)
        shares = torch.tensor([1.0, 0.4, 1.0])
        each = [tiny.edit(inversion, [Edit("smile", 2.0 * s)], "reuse").reconstruction for s in shares.tolist()]
        made = [pictures[number] for number, pictures in enumerate(each)]
        torch.testing.assert_close(
            tiny.edit(inversion, [Edit("smile", 2.0)], "reuse", shares=shares).reconstruction, torch.stack(made)
        )
    truth, empty, full = np.zeros((8, 3, 64, 64), np.uint8), np.zeros((8, 64, 64), np.uint8), np.full((8, 64, 64), 255)
    for number, picture in enumerate(made):
        truth[number] = to_uint8(picture.numpy()).transpose(2, 0, 1).repeat(2, axis=1).repeat(2, axis=2)
    moved = {"smile+2": (truth, empty, full.astype(np.uint8), {})}
    data = synthetic(counterfactuals=moved, amounts={"smile+2": amounts})
    assert data.counterfactual_amounts("smile+2")[index] == pytest.approx([2, 0.8, 0.1])
    found = evaluate({"b": tiny}, {"d": data}, EDITS)
    row = error(found, "whole", "crop reuse", "smile+2")
    blind = evaluate({"b": tiny}, {"d": synthetic(counterfactuals=moved)}, EDITS)  # who does not know, edits by 2
    assert row.count == 2 and row.value < 0.6 < error(blind, "whole", "crop reuse", "smile+2").value
    left, share = (found.value("d", "b", quantity, "smile") for quantity in (LEFT_OUT, MOVED))
    assert (left.count, left.value * 3) == (3, pytest.approx(1)) and share.value == pytest.approx((1 + 0.4) / 2)
    assert "1 of 3 counterfactuals are left out" in markdown(found) and "really moved" in markdown(found)


def test_what_is_held_or_laid_over_is_told_apart_from_what_is_worn():
    groups = attachment_groups(["hat", "", "microphone", "texture", "hand"])
    told = {name: np.flatnonzero(members).tolist() for name, members in groups.items()}
    assert told == {"attached": [0], "held": [2, 4], "overlay": [3]}
    for design in DESIGNS.values():
        assert design.attached == (design.kind not in HELD_KINDS | OVERLAY_KINDS), design.name
        assert (design.lay_over is not None) == (design.kind in OVERLAY_KINDS), design.name


def test_photos_larger_than_the_stored_crops_are_not_invented(copied):
    methods = {row.quantity.method for row in copied.rows}
    assert "2x unedited photo" in methods
    assert "2x residual" in methods and "4x residual" not in methods
    assert any("4x" in reason for reason in copied.absent)
    assert usable_scales((1, 2, 4), stored=256, size=128) == (1, 2)


def test_at_the_crops_own_size_replacing_inside_the_feather_gives_the_edited_crop(tiny, portraits):
    crop = portraits.crops(np.arange(2), 32)
    with torch.inference_mode():
        inversion = tiny.invert(crop)
        edited = tiny.edit(inversion, [Edit("smile", 1.0)])
    inside = (..., slice(8, 24), slice(8, 24))
    composed = into_photos(crop, inversion, edited, 1, "replace")
    torch.testing.assert_close(composed[inside], edited.reconstruction.clamp(-1, 1)[inside], atol=2.1 / 127.5, rtol=0)


def test_the_identity_edit_leaves_a_residual_photo_as_it_is(tiny, portraits):
    photo = portraits.crops(np.arange(2), 64)
    with torch.inference_mode():
        inversion = tiny.invert(portraits.crops(np.arange(2), 32))
    composed = into_photos(photo, inversion, inversion, 2, "residual")
    torch.testing.assert_close(composed, photo, atol=1e-6, rtol=0)


def test_a_face_that_is_not_finite_is_a_failed_picture(tiny, portraits):
    with torch.inference_mode():
        inversion = tiny.invert(portraits.crops(np.arange(2), 32))
    broken = inversion.generated.clone()
    broken[1, 0, 0, 0] = torch.nan
    composed = into_photos(
        portraits.crops(np.arange(2), 32), inversion, replace(inversion, generated=broken), 1, "replace"
    )
    assert torch.isfinite(composed[0]).all() and composed[1].isnan().all()


def test_an_edited_picture_with_infinity_in_it_is_failed_and_no_number(tiny, portraits, monkeypatch):
    honest = tiny.edit

    def breaks(*args, **options):
        edited = honest(*args, **options)
        edited.generated[0, 0, 16, 16] = math.inf
        return edited

    monkeypatch.setattr(tiny, "edit", breaks)
    found = evaluate({"b": tiny}, {"d": portraits}, replace(EDITS, edit_count=2, scales=(1,)))
    for method in ("crop reuse", "1x replace"):
        row = error(found, "whole", method, "smile")
        assert (row.failed, row.count) == (1, 1), method


def test_names_of_counterfactuals_are_read():
    names = ["smile+2", "mouth_open-1.5", "smile", "smile+0", "x+1"]
    changes, others = readable_changes(names, {"smile": 0, "mouth_open": 0})
    assert [(c.edit.name, c.edit.strength) for c in changes] == [("smile", 2), ("mouth_open", -1.5)]
    assert others == ["smile", "smile+0", "x+1"]


def test_gain_and_leakage_are_those_of_the_regressor(tiny, portraits, regressor):
    settings = Settings(parts=("attributes",), edit_count=4, batch=3, strengths=(-1.0, 1.0))
    found = evaluate({"b": tiny}, {"d": portraits}, settings, judges=Judges(regressor=regressor))
    curves = found.curves["d", "b"].attributes
    assert curves.gain.attributes == ("smile", "age", "light") and curves.gain.edits == ("age", "smile", "yaw")
    with torch.inference_mode():
        inversion = tiny.invert(portraits.crops(np.arange(4), 32))
        low, high = (
            float(tiny.edit(inversion, [Edit("smile", s)]).reconstruction.clamp(-1, 1).mean()) for s in (-1.0, 1.0)
        )
    gain = found.value("d", "b", Quantity("attribute", "smile", "per unit", "gain")).value
    assert gain == pytest.approx((high - low) / 2, abs=5e-3)
    row = curves.gain.slopes[1]
    leakage = found.value("d", "b", Quantity("attribute", "smile", "per unit", "leakage")).value
    assert leakage == pytest.approx((abs(row[1]) + abs(row[2])) / 2 / abs(row[0]))
    assert found.value("d", "b", Quantity("attribute", "yaw", "per unit", "gain")) is None  # nobody predicts yaw
    assert not math.isnan(gain)


def test_what_the_regressor_reads_in_the_truth_stands_beside_what_it_reads_in_edits(tiny, regressor):
    amounts = np.full(8, 2.0)
    amounts[1:3] = 1.0, 0.1
    crops, empty, full = synthetic().crops(np.arange(8), 64), np.zeros((8, 64, 64)), np.full((8, 64, 64), 255)
    truth = np.stack([to_uint8((0.5 * crop + 0.3).numpy()).transpose(2, 0, 1) for crop in crops])
    moved = {"smile+2": (truth, empty.astype(np.uint8), full.astype(np.uint8), {})}
    data = synthetic(counterfactuals=moved, amounts={"smile+2": amounts})
    settings = Settings(parts=("attributes",), edit_count=3, batch=2, strengths=(-1.0, 1.0))
    found = evaluate({"b": tiny}, {"d": data}, settings, judges=Judges(regressor=regressor))
    seen = (0.3 - 0.5 * crops.mean(dim=(1, 2, 3))).numpy()
    row = found.value("d", "b", Quantity("attribute", "smile", "+2", "true_change"))
    assert row.count == 2  # the third has hardly moved, the second by half of what was asked
    assert row.value == pytest.approx((seen[0] + 2 * seen[1]) / 2, abs=5e-3)
    table = markdown(found)
    assert "true change at +2 |" in table and "| change at +2" not in table


def test_a_face_that_fails_at_one_strength_is_missing_in_gain_leakage_and_change_and_counted(
    tiny, portraits, regressor, monkeypatch
):
    honest = tiny.edit

    def breaks(inversion, edits, composition=None):
        edited = honest(inversion, edits, composition)
        if edits[0] == Edit("smile", 1.0):
            edited.generated[1, 0, 0, 0] = torch.inf
        return edited

    monkeypatch.setattr(tiny, "edit", breaks)
    settings = Settings(parts=("attributes",), edit_count=3, batch=3, strengths=(-1.0, 1.0))
    found = evaluate({"b": tiny}, {"d": portraits}, settings, judges=Judges(regressor=regressor))
    for edit, failed in (("smile", 1), ("age", 0)):
        for method, metric in (("per unit", "gain"), ("per unit", "leakage"), ("-1", "change"), ("+1", "change")):
            row = found.value("d", "b", Quantity("attribute", edit, method, metric))
            assert (row.failed, row.count) == (failed, 3 - failed), (edit, metric)
    assert "| b: smile‡ |" in markdown(found) and "(1 failed)" in markdown(found)


def test_strengths_of_zero_are_refused():
    with pytest.raises(ValueError, match="strengths must differ"):
        Settings(strengths=(0.0, 1.0))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"strengths": (math.nan,)}, "strengths must be numbers"),
        ({"strengths": (1.0, math.inf)}, "strengths must be numbers"),
        ({"strengths": ()}, "at least one"),
        ({"scales": (1, 0)}, "scales must be at least 1"),
        ({"scales": (2, 2)}, "differ from each other"),
    ],
)
def test_strengths_and_scales_that_mean_nothing_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        Settings(**change)

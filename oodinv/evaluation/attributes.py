"""What edits do to attributes, by a regressor; and how far the face stays the same person's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.evaluation.counterfactuals import LEAST_MOVED, Change, moved_share, readable_changes
from oodinv.evaluation.groups import ALL
from oodinv.evaluation.judges import Regressor
from oodinv.evaluation.pictures import as_written, is_finite
from oodinv.evaluation.reconstruction import identity_kept
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.tally import Quantity, Tally
from oodinv.metrics.attribute_gain import AttributeGain, slope
from oodinv.training.data import Dataset

SECTION = "attribute"


@dataclass(frozen=True, kw_only=True)
class EditedAttributes:
    """Predicted attributes over strength."""

    gain: AttributeGain
    strengths: tuple[float, ...]
    """Rising, without 0."""
    change: Float[np.ndarray, "edits strengths attributes"]
    """Mean change from the unedited reconstruction, in standard deviations."""


def measure_attributes(
    inverter: Inverter,
    data: Dataset,
    regressor: Regressor | None,
    settings: Settings,
    tally: Tally,
    on_batch: Callable[[int], None],
) -> EditedAttributes | None:
    """Edit by every edit and strength; predict attributes before and after, and in true counterfactuals.

    A regressor does not read a change of one standard deviation as one: it reads less where it is unsure, and more or
    less where an attribute usually comes with others. What it reads in the truth is the measure for what it reads in
    an edit.

    Args:
        inverter: Of the bundle.
        data: Crops; with counterfactuals, the regressor's reading of these is told too.
        regressor: None = only identity is measured.
        settings: `edit_count`, `batch`, `composition` and `strengths` count.
        tally: Where gain, leakage, changes, true changes and identity go.
        on_batch: Called with the samples done.

    Returns:
        Slopes and curves; None without a regressor or edits.
    """
    edits, strengths = sorted(inverter.bundle.spec.edits), sorted(settings.strengths)
    size, count = inverter.resolution, min(settings.edit_count, len(data))
    before: list[np.ndarray] = []
    after: dict[tuple[str, float], list[np.ndarray]] = {(edit, s): [] for edit in edits for s in strengths}
    attributes: tuple[str, ...] = ()
    truths = [] if regressor is None else readable_changes(data.counterfactual_names, inverter.bundle.spec.edits)[0]
    for start in range(0, count, settings.batch):
        index = np.arange(start, min(start + settings.batch, count))
        crop = data.crops(index, size)
        inversion = inverter.invert(crop)
        everyone = {ALL: np.ones(len(index), dtype=bool)}
        if regressor is not None:
            attributes, values = _predict(regressor, inversion.reconstruction)
            before.append(values)
            unchanged = _predict(regressor, crop) if truths else (attributes, values)
            for truth in truths:
                _read_truth(regressor, data, truth, index, unchanged, crop.shape[-1], tally)
        for edit, strength in after:
            picture = inverter.edit(inversion, [Edit(edit, strength)], settings.composition).reconstruction
            failed = ~is_finite(picture).numpy()
            kept = identity_kept(inverter, crop, as_written(picture), failed)
            if kept is not None:
                tally.add(Quantity(SECTION, edit, f"{strength:+g}", "identity"), kept, everyone, failed)
            if regressor is not None:
                after[edit, strength].append(_predict(regressor, picture)[1])
                tally.add(
                    Quantity(SECTION, edit, f"{strength:+g}", "edited"), np.where(failed, np.nan, 1.0), everyone, failed
                )
        on_batch(len(index))
    if regressor is None or not edits:
        return None
    return _summary(np.concatenate(before), edits, strengths, attributes, after, tally)


def _summary(
    base: np.ndarray,
    edits: Sequence[str],
    strengths: Sequence[float],
    attributes: tuple[str, ...],
    after: dict[tuple[str, float], list[np.ndarray]],
    tally: Tally,
) -> EditedAttributes:
    slopes, changes, counts = [], [], []
    for edit in edits:
        edited = np.stack([np.concatenate(after[edit, strength]) for strength in strengths])
        # A picture that failed at any strength has no slope.
        whole = np.isfinite(edited).all(axis=(0, 2)) & np.isfinite(base).all(axis=1)
        counts.append(int(whole.sum()))
        if not whole.any():
            slopes.append(np.full(len(attributes), np.nan))
            changes.append(np.full((len(strengths), len(attributes)), np.nan))
            continue
        slopes.append(slope(base[whole], edited[:, whole], np.array(strengths)))
        changes.append((edited[:, whole] - base[whole]).mean(axis=1))
    gain = AttributeGain(edits=tuple(edits), attributes=attributes, slopes=np.stack(slopes))
    found = EditedAttributes(gain=gain, strengths=tuple(strengths), change=np.stack(changes))
    for number, edit in enumerate(edits):
        values = {("per unit", f"slope {name}"): float(slopes[number][n]) for n, name in enumerate(attributes)}
        if edit in attributes:
            values |= {("per unit", "gain"): gain.gain(edit), ("per unit", "leakage"): gain.leakage(edit)}
            own = changes[number][:, attributes.index(edit)]
            values |= {(f"{s:+g}", "change"): float(v) for s, v in zip(strengths, own, strict=True)}
        for (method, metric), value in values.items():
            quantity = Quantity(SECTION, edit, method, metric)
            tally.set(quantity, ALL, value, counts[number], len(base) - counts[number])
    return found


def _read_truth(
    regressor: Regressor,
    data: Dataset,
    truth: Change,
    index: np.ndarray,
    unchanged: tuple[tuple[str, ...], np.ndarray],
    size: int,
    tally: Tally,
) -> None:
    """What the regressor sees of a counterfactual, for all that was asked: truths move less where ranges end."""
    edit, (attributes, before) = truth.edit, unchanged
    if edit.name not in attributes:
        return
    share, own = moved_share(data, truth, index), attributes.index(edit.name)
    after = _predict(regressor, data.counterfactual(truth.name, index, size)[0])[1]
    moved = share >= LEAST_MOVED
    change = np.where(moved, after[:, own] - before[:, own], np.nan) / np.where(moved, share, 1.0)
    quantity = Quantity(SECTION, edit.name, f"{edit.strength:+g}", "true_change")
    tally.add(quantity, change, {ALL: np.ones(len(index), dtype=bool)})


def _predict(regressor: Regressor, picture: Tensor) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and `[batch, attributes]`; NaN where the picture is."""
    finite = is_finite(picture)
    predicted = regressor.predict(torch.nan_to_num(as_written(picture)))
    values = torch.stack([column.float().cpu() for column in predicted.values()], dim=1)
    values[~finite] = torch.nan
    return tuple(predicted), values.double().numpy()

"""Edits against the truth: the same head rendered with one attribute changed."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.evaluation.groups import ALL, attachment_groups
from oodinv.evaluation.pictures import as_written, is_finite
from oodinv.evaluation.settings import COMPOSITIONS, Settings
from oodinv.evaluation.tally import Groups, Quantity, Tally
from oodinv.faces.compose import ComposeMode, compose_face
from oodinv.imaging.convert import to_crop, to_uint8
from oodinv.metrics.absolute_error import absolute_error
from oodinv.models.inversion import Inversion
from oodinv.training.data import Dataset

SECTION = "edit"
MOVED, LEFT_OUT = Quantity("truth", "whole", "edit", "moved"), Quantity("truth", "whole", "edit", "left_out")
"""Share of what was asked that the truth moved, over the samples that count; share of samples that do not."""
LEAST_MOVED = 0.25
"""Of what a counterfactual's name asks for; samples whose truth moved less are not compared with an edit."""
MODES: tuple[ComposeMode, ...] = ("replace", "residual")
UNEDITED = "unedited photo"
_NAME = re.compile(r"([A-Za-z][A-Za-z_]*)([+-]\d+(?:\.\d+)?)")
_LEAST_SHARE = 0.001
"""Of the crop: a smaller region is not measured."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A counterfactual's name, read. Each sample is edited by as much as its truth really moved."""

    name: str
    edit: Edit


def readable_changes(names: Sequence[str], known: Mapping[str, object]) -> tuple[list[Change], list[str]]:
    """Counterfactuals that a bundle's edits can be compared with, and the names of the others."""
    changes, others = [], []
    for name in names:
        match = _NAME.fullmatch(name)
        if match and match[1] in known and float(match[2]) != 0:
            changes.append(Change(name=name, edit=Edit(match[1], float(match[2]))))
        else:
            others.append(name)
    return changes, others


def measure_edits(
    inverter: Inverter,
    data: Dataset,
    changes: Sequence[Change],
    settings: Settings,
    tally: Tally,
    on_batch: Callable[[int], None],
) -> None:
    """Mean absolute error inside the accessory, on the face, on the background and on the whole.

    In the crop for every composition, put back into a photo of 1, 2, 4 … times the crop's side for `replace` and
    `residual`, and in both for the photo left as it was.

    Args:
        inverter: Of the bundle.
        data: With counterfactuals, masks known.
        changes: Which of them.
        settings: `edit_count`, `batch`, `composition` and `scales` count.
        tally: Where the errors go, with `MOVED` and `LEFT_OUT`; groups are all, each attribute and each counterfactual,
            and within each what is attached, held or laid over the photo.
        on_batch: Called with the samples done.
    """
    size, count = inverter.resolution, min(settings.edit_count, len(data))
    scales = usable_scales(settings.scales, data.size, size)
    for start in range(0, count, settings.batch):
        index = np.arange(start, min(start + settings.batch, count))
        crop = data.crops(index, size)
        inversion = inverter.invert(crop)
        photos = {scale: data.crops(index, scale * size) for scale in scales}
        for change in changes:
            share = moved_share(data, change, index)
            groups = _count_moved(share, (ALL, change.edit.name, change.name), tally)
            sorts = attachment_groups([data.kinds[number] for number in index]).items()
            groups |= {
                f"{name}: {sort}": members & wear
                for name, members in groups.items()
                for sort, wear in sorts
                if (members & wear).any()
            }
            shares = torch.from_numpy(share).float()
            truth, accessory, silhouette = data.counterfactual(change.name, index, size)
            regions = _regions(accessory, silhouette)
            _add("crop", UNEDITED, crop, truth, regions, groups, tally)
            for composition in COMPOSITIONS:
                edited = inverter.edit(inversion, [change.edit], composition, shares=shares)
                _add("crop", composition, edited.reconstruction, truth, regions, groups, tally)
            edited = inverter.edit(inversion, [change.edit], settings.composition, shares=shares)
            for scale in scales:
                truth, accessory, silhouette = data.counterfactual(change.name, index, scale * size)
                regions = _regions(accessory, silhouette)
                _add(f"{scale}x", UNEDITED, photos[scale], truth, regions, groups, tally)
                for mode in MODES:
                    composed = into_photos(photos[scale], inversion, edited, scale, mode)
                    _add(f"{scale}x", mode, composed, truth, regions, groups, tally)
        on_batch(len(index))


def moved_share(data: Dataset, change: Change, index: np.ndarray) -> np.ndarray:
    """How much of what its name asks for each counterfactual came to; 1 where the dataset does not tell."""
    share = data.counterfactual_amounts(change.name)[index].astype(float) / change.edit.strength
    return np.where(np.isnan(share), 1.0, share)


def _count_moved(share: np.ndarray, names: Sequence[str], tally: Tally) -> dict[str, np.ndarray]:
    """Groups of the samples that moved enough; the others are counted as left out."""
    enough = share >= LEAST_MOVED
    everyone = {name: np.ones(len(share), dtype=bool) for name in names}
    tally.add(MOVED, np.where(enough, share, np.nan), everyone)
    tally.add(LEFT_OUT, (~enough).astype(float), everyone)
    return {name: members & enough for name, members in everyone.items()}


def usable_scales(scales: Sequence[int], stored: int, size: int) -> tuple[int, ...]:
    """Those at which the stored crops are large enough to be the photo."""
    return tuple(scale for scale in scales if scale * size <= stored)


def into_photos(
    photos: Float[Tensor, "batch 3 height height"], inversion: Inversion, edited: Inversion, scale: int,
    mode: ComposeMode,
) -> Float[Tensor, "batch 3 height height"]:  # fmt: skip
    """Edited faces put back, as the pipeline does; a face that is not finite gives a picture of NaN."""
    transform = np.array([[scale, 0, 0], [0, scale, 0]], dtype=float)
    composed = []
    usable = is_finite(edited.generated) & is_finite(inversion.generated) & is_finite(edited.ood_mask)
    for number, photo in enumerate(photos):
        if not usable[number]:
            composed.append(torch.full_like(photo, torch.nan))
            continue
        pixels = compose_face(
            to_uint8(photo.numpy()),
            transform,
            generated=edited.generated[number].float().cpu().numpy(),
            ood_mask=edited.ood_mask[number].float().cpu().numpy(),
            mode=mode,
            identity=inversion.generated[number].float().cpu().numpy() if mode == "residual" else None,
            motion=None if edited.motion is None else edited.motion[number].float().cpu().numpy(),
        )
        composed.append(torch.from_numpy(to_crop(pixels)))
    return torch.stack(composed)


def _regions(accessory: Tensor, silhouette: Tensor) -> dict[str, Tensor | None]:
    free = 1 - accessory
    return {
        "accessory": accessory,
        "face": silhouette * free,
        "background": (1 - silhouette) * free,
        "whole": None,
    }


def _add(
    place: str, method: str, image: Tensor, truth: Tensor, regions: Mapping[str, Tensor | None], groups: Groups,
    tally: Tally,
) -> None:  # fmt: skip
    failed = ~is_finite(image).numpy()
    written = as_written(image)
    for region, weight in regions.items():
        error = np.where(failed, np.nan, absolute_error(written, truth, weight).numpy())
        if weight is not None:
            error = np.where(weight.mean(dim=(1, 2, 3)).numpy() < _LEAST_SHARE, np.nan, error)
        tally.add(Quantity(SECTION, region, f"{place} {method}", "absolute_error"), error, groups, failed)

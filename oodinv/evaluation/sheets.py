"""Sheets to look at: what a dataset holds, what a generator draws, what edits and masks do. Nothing is chosen."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.evaluation.generator import uncurated
from oodinv.evaluation.masks import ERROR
from oodinv.evaluation.pictures import as_written
from oodinv.evaluation.settings import Settings
from oodinv.imaging.convert import mask_to_uint8, to_uint8
from oodinv.metrics.blurred_error import blurred_error
from oodinv.models.decomposition import Composition
from oodinv.report.picture_grid import GridSection, picture_grid
from oodinv.training.data import Dataset

_STRENGTHS = (-2.0, -1.0, 1.0, 2.0)
_TINT = np.array([230, 60, 0], dtype=np.float32)


def draw_sheets(
    bundles: Mapping[str, Inverter], datasets: Mapping[str, Dataset], settings: Settings
) -> dict[str, Image.Image]:
    """All sheets by name: each dataset's, each bundle's samples, each pair's masks and edits."""
    sheets = {f"dataset {name}": dataset_sheet(data) for name, data in datasets.items()}
    for bundle, inverter in bundles.items():
        if inverter.can_draw:
            # Latents of portraits, where there are any.
            source = next((data for data in datasets.values() if data.params is not None), None)
            sheets[f"samples {bundle}"] = sample_sheet(inverter, source, seed=settings.seed, batch=settings.batch)
        for name, data in datasets.items():
            sheets[f"masks {bundle} {name}"] = mask_sheet(inverter, data, batch=settings.batch)
            if inverter.bundle.spec.edits:
                sheets[f"edits {bundle} {name}"] = edit_sheet(
                    inverter, data, composition=settings.composition, batch=settings.batch
                )
    return sheets


def dataset_sheet(
    data: Dataset, *, portraits: int = 40, worn: int = 16, pairs: int = 6, tile: int = 128
) -> Image.Image:
    """The first portraits without accessory, the first with one beside its masks, the first counterfactuals.

    Masks are tinted: orange = accessory; what is not the person is darkened. Accessories go round by kind, so that
    every kind is seen; counterfactuals likewise by name.
    """
    bare = [number for number, kind in enumerate(data.kinds) if not kind][:portraits]
    sections = []
    if bare:
        told = f"{len(bare)} portraits without accessory" if data.has_masks else f"{len(bare)} crops"
        sections.append(GridSection(title=told, pictures=_bytes(data.crops(np.array(bare))), columns=10))
    chosen = _round_robin(data.kinds, worn)
    if chosen and data.has_masks:
        index = np.array(chosen)
        crops, tinted = _bytes(data.crops(index)), _tinted(data, index)
        both = [picture for pair in zip(crops, tinted, strict=True) for picture in pair]
        sections.append(GridSection(title=f"{len(chosen)} with accessories, and masks", pictures=both, columns=10))
    names = data.counterfactual_names
    if names:
        shown: list[UInt8[np.ndarray, "height width 3"]] = []
        captions = []
        strongest = sorted(names, key=lambda name: (-abs(_strength(name)), names.index(name)))
        attributes = list(dict.fromkeys(_attribute(name) for name in strongest))
        by_attribute = {a: [name for name in strongest if _attribute(name) == a] for a in attributes}
        for number in range(min(pairs, len(data))):
            attribute = attributes[number % len(attributes)]
            options = by_attribute[attribute]
            name = options[number // len(attributes) % len(options)]
            index = np.array([number])
            shown += [*_bytes(data.crops(index)), *_bytes(data.counterfactual(name, index)[0])]
            captions += ["", name]
        per_row = 2 * min(pairs, 5)
        if len(captions) > per_row:
            title = f"{len(captions) // 2} counterfactual pairs: {', '.join(captions[1::2])}"
            sections.append(GridSection(title=title, pictures=shown, columns=10))
        else:
            title = f"{len(captions) // 2} counterfactual pairs"
            sections.append(GridSection(title=title, pictures=shown, columns=10, captions=captions))
    return picture_grid(sections, tile=tile)


def sample_sheet(
    inverter: Inverter,
    data: Dataset | None = None,
    *,
    columns: int = 8,
    rows: int = 5,
    seed: int = 0,
    batch: int = 8,
    tile: int = 144,
) -> Image.Image:
    """The first pictures that a seed draws; of a dataset's parameters where the generator knows these."""
    drawn = uncurated(inverter, columns * rows, seed=seed, data=data, batch=batch)
    title = f"{inverter.bundle.spec.name} {inverter.bundle.spec.version}: uncurated, seed {seed}, no truncation"
    return picture_grid([GridSection(title=title, pictures=_bytes(drawn), columns=columns)], tile=tile)


def mask_sheet(inverter: Inverter, data: Dataset, *, count: int = 12, batch: int = 8, tile: int = 128) -> Image.Image:
    """Photo, plain, aligned, reconstruction, mask, error map, true mask; accessories round by kind, then others."""
    chosen = _round_robin(data.kinds, count)
    chosen += [number for number in range(len(data)) if number not in set(chosen)][: count - len(chosen)]
    index, size = np.array(chosen), inverter.resolution
    columns: dict[str, list[np.ndarray]] = {}
    for part in _batches(index, batch):
        crop = data.crops(part, size)
        with torch.inference_mode():
            inversion = inverter.invert(crop, plain=True)
        assert inversion.plain is not None
        found: dict[str, Sequence[np.ndarray]] = {
            "photo": _bytes(crop),
            "plain": _bytes(inversion.plain),
            "aligned": _bytes(inversion.generated),
            "full": _bytes(inversion.reconstruction),
            "mask": _grey(inversion.ood_mask),
            f"{ERROR} x 2": _grey(2 * blurred_error(inversion.plain.cpu(), crop)),
        }
        if data.has_masks:
            found["true mask"] = _grey(data.out_of_domain(part, size))
        for name, pictures in found.items():
            columns.setdefault(name, []).extend(pictures)
    pictures = [column[number] for number in range(len(index)) for column in columns.values()]
    section = GridSection(
        title=f"{inverter.bundle.spec.name}: what is kept",
        pictures=pictures,
        columns=len(columns),
        captions=list(columns),
    )
    return picture_grid([section], tile=tile)


def edit_sheet(
    inverter: Inverter,
    data: Dataset,
    *,
    count: int = 4,
    composition: Composition | None = None,
    batch: int = 8,
    tile: int = 128,
) -> Image.Image:
    """For every edit of the bundle: photo, edited by -2, -1, unedited reconstruction, +1, +2."""
    chosen = _round_robin(data.kinds, count // 2)
    chosen += [number for number in range(len(data)) if number not in set(chosen)][: count - len(chosen)]
    low, high = (tuple(s for s in _STRENGTHS if (s < 0) == negative) for negative in (True, False))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in inverter.bundle.spec.edits}
    for part in _batches(np.array(chosen), batch):
        crop = data.crops(part, inverter.resolution)
        with torch.inference_mode():
            inversion = inverter.invert(crop)
            for name, pictures in rows.items():
                moved = {s: inverter.edit(inversion, [Edit(name, s)], composition).reconstruction for s in _STRENGTHS}
                shown = [crop, *(moved[s] for s in low), inversion.reconstruction, *(moved[s] for s in high)]
                pictures += [picture for row in zip(*map(_bytes, shown), strict=True) for picture in row]
    captions = ["photo", *(f"{s:+g}" for s in low), "unedited", *(f"{s:+g}" for s in high)]
    sections = [
        GridSection(title=name, pictures=pictures, columns=len(captions), captions=captions)
        for name, pictures in rows.items()
    ]
    return picture_grid(sections, tile=tile)


def _batches(index: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    for start in range(0, len(index), batch):
        yield index[start : start + batch]


def _round_robin(kinds: Sequence[str], count: int) -> list[int]:
    """The first sample of each kind, then the second of each, and so on."""
    by_kind: dict[str, list[int]] = {}
    for number, kind in enumerate(kinds):
        if kind:
            by_kind.setdefault(kind, []).append(number)
    turns = max(map(len, by_kind.values()), default=0)
    order = [by_kind[kind][turn] for turn in range(turns) for kind in sorted(by_kind) if turn < len(by_kind[kind])]
    return order[:count]


def _attribute(name: str) -> str:
    return name.rstrip("0123456789.").rstrip("+-")


def _strength(name: str) -> float:
    try:
        return float(name[len(_attribute(name)) :])
    except ValueError:
        return 0.0


def _bytes(images: Float[Tensor, "batch 3 height width"]) -> list[UInt8[np.ndarray, "height width 3"]]:
    return [to_uint8(image.numpy()) for image in torch.nan_to_num(as_written(images))]


def _grey(masks: Float[Tensor, "batch 1 height width"]) -> list[UInt8[np.ndarray, "height width"]]:
    return [mask_to_uint8(mask.numpy()) for mask in torch.nan_to_num(masks.float().cpu()).clamp(0, 1)]


def _tinted(data: Dataset, index: np.ndarray) -> list[UInt8[np.ndarray, "height width 3"]]:
    tinted = []
    for crop, accessory, silhouette in zip(
        _bytes(data.crops(index)), data.accessory(index).numpy(), data.silhouette(index).numpy(), strict=True
    ):
        thing = accessory[0][..., None]
        person = np.maximum(silhouette[0][..., None], thing)
        shown = crop * (0.25 + 0.75 * person)
        tinted.append((shown * (1 - 0.6 * thing) + _TINT * 0.6 * thing).round().astype(np.uint8))
    return tinted

"""Which composition of an edit comes nearest to the photo that would have been taken?

The studio renders a head with glasses, a hat or headphones, and the same head turned: the photo and its true edit. The
embedded bundle turns the first by its `yaw` direction; each composition is compared with the second, in the crop and
put back into the photo. The turned head is rendered shifted by the few pixels that bring its crop onto the photo's,
because the generator draws every head aligned.

    python benchmarks/compositions.py --portraits 24 --sheet sheet.png

Needs the extra `portraits`. Seeds are held out. Deterministic but for the last bits of a CPU's arithmetic; some minutes
on one core.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from tqdm import tqdm

from oodinv import Edit
from oodinv.bundles.bundle import load_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.faces import FaceDetector, choose_mode, compose_face, crop_transform, extract_crop, load_detector
from oodinv.faces.resample import apply_affine, invert_affine, resample
from oodinv.imaging.convert import to_uint8
from oodinv.models.decomposition import Composition
from oodinv.models.inversion import Inversion
from oodinv.portraits import Studio
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.studio import Portrait

COMPOSITIONS: tuple[Composition, ...] = ("reuse", "repredict", "minimum", "follow")
CELL = 192  # pixels of the sheet
KINDS = ("glasses", "sunglasses", "hat", "cap", "glasses", "headphones")
STRENGTHS = (-1.5, -1.0, 1.0, 1.5)
FIRST_SEED = 2_100_000  # none of the portraits that `MotionConfig` was chosen on
PHOTO_SIZE, LARGEST_YAW = 448, 35.0
REGIONS = ("glasses", "headwear", "face", "uncovered background", "other background")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A photo and what it would be with the head turned."""

    kind: str
    transform: Float[np.ndarray, "2 3"]
    before: Portrait
    after: dict[float, Portrait]
    """By strength."""


def main() -> None:
    """Measure, print Markdown, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=int, default=24, metavar="N")
    parser.add_argument("--sheet", type=Path, help="PNG to write: photo, truth and every composition")
    parser.add_argument("--sheet-rows", type=int, default=12, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_bundle("embedded")
    inverter, detector = Inverter(loaded), load_detector("centerface")
    unit = float(np.std([sample_params(seed).yaw for seed in range(4000)]))
    errors: dict[tuple[str, Composition, str], list[float]] = defaultdict(list)
    turns: list[tuple[float, float, float]] = []
    lines: list[np.ndarray] = []
    scenes = render_scenes(arguments.portraits, unit, inverter.resolution, detector)
    for number, scene in enumerate(tqdm(scenes, total=arguments.portraits, unit="portrait")):
        crop = torch.from_numpy(extract_crop(scene.before.photo, scene.transform, inverter.resolution))[None]
        inversion = inverter.invert(crop)
        drawn = inverter.synthesise(inversion.w_plus)
        for strength, truth in scene.after.items():
            offset = inverter.offset([Edit("yaw", strength)]).w_plus
            pictures = {}
            for composition in COMPOSITIONS:
                with torch.inference_mode():
                    edited = loaded.model.edit(inversion, offset, composition=composition)
                small, large = edited.reconstruction[0].numpy(), into_photo(scene, inversion, edited)
                pictures[composition] = (small, large)
                for where, error in errors_of(scene, truth, small, large).items():
                    for region, value in error.items():
                        errors[where, composition, region].append(value)
            drawn_edited = inverter.synthesise(inversion.w_plus + offset)
            faces = [scene.before.photo, truth.photo, *(to_uint8(image[0].numpy()) for image in (drawn, drawn_edited))]
            nose = [turn_of(face, detector) for face in faces]
            if None not in nose:
                turns.append((strength, nose[1] - nose[0], nose[3] - nose[2]))  # type: ignore[operator]
            if number < arguments.sheet_rows and strength == STRENGTHS[-(number % 2)]:
                lines.append(sheet_line(scene, truth, pictures))
    print(table(errors))
    print(turn_text(turns, unit))
    if arguments.sheet is not None:
        Image.fromarray(np.concatenate(lines)).save(arguments.sheet)


def render_scenes(count: int, unit: float, crop_size: int, detector: FaceDetector) -> Iterator[Scene]:
    """Portraits whose turned versions stay within the yaw that heads have; `unit` is one strength in degrees."""
    studio, found, seed = Studio(), 0, FIRST_SEED
    while found < count:
        seed += 1
        params = sample_params(seed)
        if abs(params.yaw) + max(STRENGTHS) * unit > LARGEST_YAW:
            continue
        kind, busy = KINDS[found % len(KINDS)], found // 2 % 2

        def shoot(person: PortraitParams, kind: str = kind, busy: int = busy, seed: int = seed) -> Portrait:
            return studio.render(
                person, accessory=kind, background="busy" if busy else "plain", size=PHOTO_SIZE, seed=seed
            )

        before = shoot(params)
        transform = transform_of(before, detector, crop_size)
        if transform is None:
            continue
        after = {}
        for strength in STRENGTHS:
            turned = replace(params, yaw=params.yaw + strength * unit)
            own = transform_of(shoot(turned), detector, crop_size)
            if own is None:
                break
            x, y = np.subtract(*(apply_affine(t, np.full((1, 2), crop_size / 2))[0] for t in (transform, own)))
            aligned = replace(
                turned, offset_x=turned.offset_x + x / PHOTO_SIZE, offset_z=turned.offset_z - y / PHOTO_SIZE
            )
            after[strength] = shoot(aligned)
        if len(after) == len(STRENGTHS):
            found += 1
            yield Scene(kind=kind, transform=transform, before=before, after=after)


def transform_of(portrait: Portrait, detector: FaceDetector, size: int) -> Float[np.ndarray, "2 3"] | None:
    """Crop transform of the largest face."""
    faces = detector.detect(portrait.photo)
    return crop_transform(faces[0], size) if faces else None


def into_photo(scene: Scene, inversion: Inversion, edited: Inversion) -> UInt8[np.ndarray, "height width 3"]:
    """The edited face put back, as the pipeline does."""
    mode = choose_mode(scene.transform)
    return compose_face(
        scene.before.photo,
        scene.transform,
        generated=edited.generated[0].numpy(),
        ood_mask=edited.ood_mask[0].numpy(),
        mode=mode,
        identity=inversion.generated[0].numpy() if mode == "residual" else None,
        motion=None if edited.motion is None else edited.motion[0].numpy(),
    )


def errors_of(
    scene: Scene, truth: Portrait, small: np.ndarray, large: UInt8[np.ndarray, "height width 3"]
) -> dict[str, dict[str, float]]:
    """Mean absolute error in 1/255 by region of the truth: `crop` at the crop's resolution, `photo` at the photo's."""
    size = small.shape[-1]
    masks = regions(scene, truth)
    to_crop = invert_affine(scene.transform)
    y, x = np.mgrid[: large.shape[0], : large.shape[1]] + 0.5
    where = apply_affine(to_crop, np.stack([x, y], -1).reshape(-1, 2)).reshape(*large.shape[:2], 2)
    inside = ((where >= 0) & (where <= size)).all(-1)
    photo_error = np.abs(large.astype(float) - truth.photo).mean(-1)
    crop_error = np.abs(to_uint8(small).astype(float) - resample(truth.photo, scene.transform, size, size)).mean(-1)
    found: dict[str, dict[str, float]] = {"crop": {}, "photo": {}}
    for name, mask in masks.items():
        weight = resample(mask[..., None], scene.transform, size, size)[..., 0]
        for place, error, share in (("crop", crop_error, weight), ("photo", photo_error, mask * inside)):
            if share.sum() > 20:
                found[place][name] = float((error * share).sum() / share.sum())
    return found


def regions(scene: Scene, truth: Portrait) -> dict[str, Float[np.ndarray, "height width"]]:
    """Share of each pixel of the true edited photo, by region."""
    thing, person = truth.accessory_mask / 255, truth.silhouette / 255
    covered_before = np.maximum(scene.before.accessory_mask, scene.before.silhouette) / 255
    background = (1 - person) * (1 - thing)
    return {
        "glasses" if scene.kind.endswith("glasses") else "headwear": thing,
        "face": person * (1 - thing),
        "uncovered background": background * covered_before,
        "other background": background * (1 - covered_before),
    }


def turn_of(picture: UInt8[np.ndarray, "height width 3"], detector: FaceDetector) -> float | None:
    """How far the nose stands aside of the middle between the eyes, in eye distances."""
    room = Image.fromarray(picture).resize((PHOTO_SIZE, PHOTO_SIZE), Image.Resampling.BICUBIC)
    faces = detector.detect(np.pad(np.asarray(room), ((64, 64), (64, 64), (0, 0)), mode="edge"))
    if not faces:
        return None
    left, right, nose = faces[0].landmarks[:3]
    return float((nose - (left + right) / 2) @ (right - left) / np.sum((right - left) ** 2))


def table(errors: dict[tuple[str, Composition, str], list[float]]) -> str:
    """Markdown: a row for each place and composition."""
    rows = ["| mean absolute error, of 255 | " + " | ".join(REGIONS) + " |", "| --- |" + " ---: |" * len(REGIONS)]
    for place in ("crop", "photo"):
        for composition in COMPOSITIONS:
            means = (np.mean(errors[place, composition, region]) for region in REGIONS)
            rows.append(f"| {place}, `{composition}` | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(rows)


def turn_text(turns: Sequence[tuple[float, float, float]], unit: float) -> str:
    """How far the model turns heads beside how far they were to be turned."""
    strength, true, drawn = np.array(turns).T
    return (
        f"1 unit of yaw is {unit:.1f} degrees. For each the nose goes {np.mean(true / strength):.3f} eye distances "
        f"aside in the true edits and {np.mean(drawn / strength):.3f} in the generator's ({len(turns)} pairs)."
    )


def sheet_line(scene: Scene, truth: Portrait, pictures: dict[Composition, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Photo, truth and every composition in the order of `COMPOSITIONS`; beside them, the same as crops."""
    photos = [scene.before.photo, truth.photo, *(pictures[composition][1] for composition in COMPOSITIONS)]
    size = pictures[COMPOSITIONS[0]][0].shape[-1]
    crops = [to_uint8(extract_crop(photo, scene.transform, size)) for photo in photos[:2]]
    crops += [to_uint8(pictures[composition][0]) for composition in COMPOSITIONS]
    return np.concatenate([_cell(cell) for cell in photos + crops], axis=1)


def _cell(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "cell cell 3"]:
    return np.asarray(Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()

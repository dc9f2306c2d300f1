"""One portrait of a dataset: rendered, found by the detector, cut out, encoded.

Every photo goes through the same detector and alignment as a user's photo, so what a network learns from is what it
will be given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from oodinv.faces import FaceDetector, crop_transform
from oodinv.imaging import encode_photo
from oodinv.portraits.alignment import AlignedPortrait, align
from oodinv.portraits.counterfactuals import counterfactual, parse_counterfactual
from oodinv.portraits.params import labels, to_vector
from oodinv.portraits.recipe import Recipe, draw_scene
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.studio import Portrait, Studio, average_down

QUALITY = 95
_ENOUGH_PX = 384  # a detector sees one large face as well in half of that, and four times as fast


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The members of one sample, by what follows its key: ``jpg``, ``silhouette.png``, ``json`` and so on."""

    seed: int
    members: Mapping[str, bytes]


def render_sample(studio: Studio, detector: FaceDetector, recipe: Recipe, seed: int) -> Sample | None:
    """Render a seed of a recipe; None when its face is not found."""
    scene, params = draw_scene(recipe, seed), sample_params(seed)
    options: dict[str, Any] = {
        "accessory": scene.design,
        "background": scene.background,
        "size": recipe.photo_size,
        "seed": seed,
    }
    portrait = studio.render(params, **options)
    transform = _find(portrait, detector, recipe.crop_size)
    if transform is None:
        return None
    members = _pictures(align(portrait, transform, recipe.crop_size), "", accessory=scene.kind is not None)
    changes = {}
    for name in recipe.counterfactuals:
        changed = counterfactual(params, *parse_counterfactual(name))
        moved = align(studio.render(changed.params, unchanged=params, **options), transform, recipe.crop_size)
        members |= _pictures(moved, f"{name}.", accessory=scene.kind is not None)
        changes[name] = {"labels": _rounded(labels(changed.params)), "amount": round(changed.amount, 6)}
    facts = {
        "seed": seed,
        "kind": scene.kind,
        "design": scene.design,
        "background": scene.background,
        "labels": _rounded(labels(params)),
        "params": [round(float(value), 6) for value in to_vector(params)],
        "landmarks": [[round(float(x), 2), round(float(y), 2)] for x, y in into_crop(portrait.landmarks, transform)],
        "counterfactuals": changes,
    }
    members["json"] = json.dumps(facts, separators=(",", ":")).encode()
    return Sample(seed=seed, members=members)


def into_crop(
    points: Float[np.ndarray, "points xy=2"], transform: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "points xy=2"]:
    """Photo pixels as crop pixels, both with centres at +0.5, by a transform from crop to photo."""
    return (points - transform[:, 2]) @ np.linalg.inv(transform[:, :2]).T


def _find(portrait: Portrait, detector: FaceDetector, crop_size: int) -> Float[np.ndarray, "2 3"] | None:
    """Crop transform of the person's face; what is found elsewhere (in a background, on a thing) is not it."""
    photo, scale = portrait.photo, 1
    while photo.shape[0] >= _ENOUGH_PX and photo.shape[0] % 2 == 0:
        photo, scale = average_down(photo), 2 * scale
    middle = portrait.landmarks[27:].mean(axis=0) / scale
    for face in detector.detect(photo):
        left, top, right, bottom = face.bbox
        if left < middle[0] < right and top < middle[1] < bottom:
            return crop_transform(replace(face, landmarks=face.landmarks * scale), crop_size)
    return None


def _pictures(aligned: AlignedPortrait, prefix: str, *, accessory: bool) -> dict[str, bytes]:
    crop = np.ascontiguousarray(aligned.crop.transpose(1, 2, 0))
    members = {f"{prefix}jpg": encode_photo(crop, format="jpeg", quality=QUALITY)}
    if accessory:
        members[f"{prefix}accessory.png"] = encode_photo(aligned.accessory, format="png")
    members[f"{prefix}silhouette.png"] = encode_photo(aligned.silhouette, format="png")
    return members


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in values.items()}

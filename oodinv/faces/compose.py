"""The edited face goes back into the photo; what is kept from the photo is not touched at all.

Nothing that is kept where it was is ever resampled: outside the crop's quadrilateral, and where the mask says "out of
domain" and nothing moves, the photo's own bytes stay. Elsewhere, with feather f, mask M and generated picture G, both
warped to the photo's grid:

    replace:   out = photo + f (1 - M) (G - photo)
    residual:  out = photo + f (1 - M) (G_edited - G_identity)

`residual` keeps the photo's own fine detail where the face has more pixels in the photo than in the crop: it adds only
what the edit changed.

With a motion, `photo` on the right is the photo moved by it, sampled at the photo's own resolution, and G_identity is
moved likewise. The motion dies out towards the crop's border, beyond which nothing can move, so that what is kept
stays in one piece there.
"""

import math
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from oodinv.faces.align import face_scale
from oodinv.faces.move import eased, motion_in_pixels, moved
from oodinv.faces.resample import apply_affine, invert_affine, resample

ComposeMode = Literal["replace", "residual"]

_EASE = 0.1
"""Width of the rim in which a motion dies out, in crop sides. Wider is smoother but leaves more where it was."""

_BAND_ROWS = 512
"""Photo rows composed at a time, so that a huge face takes no huge arrays."""


def choose_mode(transform: Float[np.ndarray, "2 3"]) -> ComposeMode:
    """`residual` where the face is larger in the photo than in the crop (`face_scale` > 1), else `replace`."""
    return "residual" if face_scale(transform) > 1 else "replace"


def compose_face(
    photo: UInt8[np.ndarray, "height width 3"],
    transform: Float[np.ndarray, "2 3"],
    *,
    generated: Float32[np.ndarray, "3 crop_size crop_size"],
    ood_mask: Float32[np.ndarray, "1 crop_size crop_size"],
    mode: ComposeMode,
    identity: Float32[np.ndarray, "3 crop_size crop_size"] | None = None,
    motion: Float32[np.ndarray, "2 crop_size crop_size"] | None = None,
    feather: float = 0.06,
) -> UInt8[np.ndarray, "height width 3"]:
    """Put one generated face into the photo. Several faces: one call after another.

    Convention:
        `transform` maps crop pixels to photo pixels. Mask: 1 = out of domain = kept from the photo. Pictures in
        [-1, 1]. The feather rises smoothly (cubic) from 0 at the quadrilateral's border to 1 `feather` crop sides
        inside it. Results are rounded to the nearest (halves to even) and clamped.

    Args:
        photo: Upright RGB; is not changed.
        transform: From `crop_transform`.
        generated: The (edited) generator picture before any blending with the crop.
        ood_mask: Values in [0, 1].
        mode: See the module's text; `choose_mode` picks by scale.
        identity: The unedited generator picture; needed for `residual`, not allowed with `replace`.
        motion: Where what is kept comes from: a backward flow in crop coordinates, normalised (the full width is 2.0),
            (x, y), corner to corner. Mask and `generated` are already those of the moved face. None = nothing moves.
        feather: Width of the ramp as a share of the crop's side, in [0, 0.5]; 0 is a hard edge.

    Returns:
        A new photo.

    Raises:
        ValueError: Mode and `identity` do not fit together, feather out of range, or values are not finite.
    """
    if (mode == "residual") != (identity is not None):
        raise ValueError(
            f"mode 'residual' needs the unedited picture as `identity` and 'replace' takes none; got mode {mode!r} "
            f"{'without' if identity is None else 'with'} it"
        )
    if not 0 <= feather <= 0.5:
        raise ValueError(f"expected a feather from 0 to 0.5 crop sides, got {feather}")
    if not all(np.isfinite(part).all() for part in (generated, identity, ood_mask, motion) if part is not None):
        raise ValueError(
            "expected finite pictures, mask and motion, got NaN or infinity; the network that made them diverged"
        )
    steps = None if motion is None else eased(motion_in_pixels(motion), _EASE)
    # 1 - M is what gets warped, not M: sums of zeros are exactly zero, so where all of M is 1 the weight is exactly 0.
    layers = np.concatenate([_change(generated, identity, steps), 1 - ood_mask.clip(0, 1).transpose(1, 2, 0)], axis=2)
    if steps is not None:
        layers = np.concatenate([layers, steps], axis=2)
    out = photo.copy()
    x0, y0, x1, y1 = _bounds(transform, layers.shape[0], photo)
    if x0 >= x1:
        return out
    for top in range(y0, y1, _BAND_ROWS):
        part = (slice(top, min(top + _BAND_ROWS, y1)), slice(x0, x1))
        out[part] = _blend(photo, part, layers, transform, feather, replace=identity is None)
    return out


def _change(
    generated: Float32[np.ndarray, "3 crop_size crop_size"],
    identity: Float32[np.ndarray, "3 crop_size crop_size"] | None,
    steps: Float32[np.ndarray, "crop_size crop_size 2"] | None,
) -> Float32[np.ndarray, "crop_size crop_size 3"]:
    """Bytes to come to (`replace`) or to add (`residual`), not rounded."""
    picture = generated.transpose(1, 2, 0)
    if identity is None:
        return picture * np.float32(127.5) + np.float32(127.5)
    before = identity.transpose(1, 2, 0)
    return (picture - (before if steps is None else moved(before, steps))) * np.float32(127.5)


def _blend(
    photo: UInt8[np.ndarray, "height width 3"],
    where: tuple[slice, slice],
    layers: Float32[np.ndarray, "crop_size crop_size _"],
    transform: Float[np.ndarray, "2 3"],
    feather: float,
    *,
    replace: bool,
) -> UInt8[np.ndarray, "rows columns 3"]:
    part = photo[where]
    rows, columns, _ = part.shape
    origin = (where[1].start, where[0].start)
    to_crop = invert_affine(transform)
    to_crop[:, 2] = apply_affine(to_crop, np.array([origin], dtype=float))[0]
    warped = resample(layers, to_crop, rows, columns)
    ramp = _feather(to_crop, rows, columns, layers.shape[0], feather)
    weight = warped[..., 3] * ramp
    base: Float32[np.ndarray, "rows columns 3"] | UInt8[np.ndarray, "rows columns 3"] = part
    changed: Bool[np.ndarray, "rows columns"] | None = None
    if layers.shape[2] > 4:
        # Only inside the quadrilateral: beyond its border, `resample` mirrors.
        displacement = np.where(ramp[..., None] > 0, warped[..., 4:], 0) @ transform[:, :2].T.astype(np.float32)
        base = moved(photo, displacement, origin)
        changed = (weight > 0) | (displacement != 0).any(axis=-1)
    # Colour by colour, as `resample` leaves them, and in place: what takes time is memory, not sums.
    before = np.ascontiguousarray(base.transpose(2, 0, 1)).astype(np.float32, copy=False)
    colours = warped[..., :3].transpose(2, 0, 1)
    if replace:
        colours -= before
    colours *= weight
    colours += before
    np.rint(colours, out=colours)
    np.clip(colours, np.float32(0), np.float32(255), out=colours)
    blended = colours.astype(np.uint8).transpose(1, 2, 0)
    # With a weight of 0 these are the photo's own bytes already, unless `base` is not the photo.
    return blended if changed is None else np.where(changed[..., None], blended, part)


def _feather(
    to_crop: Float[np.ndarray, "2 3"], rows: int, columns: int, crop_size: int, feather: float
) -> Float32[np.ndarray, "rows columns"]:
    """0 on and outside the crop's border, rising smoothly to 1 inside."""
    x = np.arange(columns) + 0.5
    y = np.arange(rows)[:, None] + 0.5
    half = crop_size / 2
    # Distances from the crop's middle along its two sides; the larger one tells how far the border is.
    u, v = (np.abs(np.add(a * x + (c - half), b * y, dtype=np.float32, casting="same_kind")) for a, b, c in to_crop)
    inside = np.subtract(np.float32(half), np.maximum(u, v, out=u), out=u)
    if feather == 0:
        return (inside > 0).astype(np.float32)
    inside *= np.float32(1 / (feather * crop_size))
    ramp = np.clip(inside, np.float32(0), np.float32(1), out=inside)
    return ramp * ramp * (np.float32(3) - np.float32(2) * ramp)


def _bounds(
    transform: Float[np.ndarray, "2 3"], crop_size: int, photo: UInt8[np.ndarray, "height width 3"]
) -> tuple[int, int, int, int]:
    """The part of the photo under the crop: x0, y0, x1, y1; empty where they do not meet."""
    corners = np.array([[0, 0], [crop_size, 0], [0, crop_size], [crop_size, crop_size]], dtype=float)
    quadrilateral = apply_affine(transform, corners)
    x0, y0 = (max(0, math.floor(v)) for v in quadrilateral.min(axis=0))
    x1 = min(photo.shape[1], math.ceil(quadrilateral[:, 0].max()))
    y1 = min(photo.shape[0], math.ceil(quadrilateral[:, 1].max()))
    return x0, y0, x1, y1

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
from oodinv.faces.loops import blend
from oodinv.faces.move import eased, motion_in_pixels, moved
from oodinv.faces.resample import apply_affine, invert_affine, is_coarser, resample

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
    to_crop, crop_size = invert_affine(transform), ood_mask.shape[1]
    x0, y0, x1, y1 = _bounds(transform, crop_size, photo)
    out = photo.copy()
    if x0 >= x1 or y0 >= y1:
        return out
    # 1 - M is what gets warped, not M: sums of zeros are exactly zero, so where all of M is 1 the weight is exactly 0.
    layers, to_layers = np.concatenate([_picture(generated, identity, steps), 1 - ood_mask.clip(0, 1)]), to_crop
    if is_coarser(to_crop):
        # Then the layers are drawn on the photo's pixels beforehand, so that detail is averaged away.
        drawn = resample(layers.transpose(1, 2, 0), _seen_from(to_crop, x0, y0), y1 - y0, x1 - x0)
        layers, to_layers = np.ascontiguousarray(drawn.transpose(2, 0, 1)), np.array([[1.0, 0, -x0], [0, 1.0, -y0]])
    for top in range(y0, y1, _BAND_ROWS):
        part = (slice(top, min(top + _BAND_ROWS, y1)), slice(x0, x1))
        base = photo[part]
        if steps is not None:
            base = _moved_part(photo, part, steps, transform)
            out[part] = np.rint(base)
        base = np.ascontiguousarray(base)
        blend(base, layers, identity is None, to_layers, to_crop, crop_size, feather, x0, top, out)
    return out


def _picture(
    generated: Float32[np.ndarray, "3 crop_size crop_size"],
    identity: Float32[np.ndarray, "3 crop_size crop_size"] | None,
    steps: Float32[np.ndarray, "crop_size crop_size 2"] | None,
) -> Float32[np.ndarray, "3 crop_size crop_size"]:
    """Colours to come to (`replace`), or what they change by (`residual`)."""
    if identity is None:
        return generated
    return generated - (identity if steps is None else moved(identity.transpose(1, 2, 0), steps).transpose(2, 0, 1))


def _seen_from(to_crop: Float[np.ndarray, "2 3"], left: int, top: int) -> Float[np.ndarray, "2 3"]:
    """The map of a part of the photo, whose own pixels are counted from its corner."""
    corner = apply_affine(to_crop, np.array([[left, top]], dtype=float))[0]
    return np.column_stack([to_crop[:, :2], corner])


def _moved_part(
    photo: UInt8[np.ndarray, "height width 3"],
    where: tuple[slice, slice],
    steps: Float32[np.ndarray, "crop_size crop_size 2"],
    transform: Float[np.ndarray, "2 3"],
) -> Float32[np.ndarray, "rows columns 3"]:
    """What comes to a part of the photo when it moves inside the crop; beyond the crop's border nothing does."""
    rows, columns = where[0].stop - where[0].start, where[1].stop - where[1].start
    origin = (where[1].start, where[0].start)
    to_crop = _seen_from(invert_affine(transform), *origin)
    displacement = resample(steps, to_crop, rows, columns) @ transform[:, :2].T.astype(np.float32)
    # Beyond the border `resample` mirrors.
    return moved(photo, np.where(_is_inside(to_crop, rows, columns, steps.shape[0]), displacement, 0), origin)


def _is_inside(
    to_crop: Float[np.ndarray, "2 3"], rows: int, columns: int, crop_size: int
) -> Bool[np.ndarray, "rows columns 1"]:
    """Which pixels' centres lie in the crop."""
    x = np.arange(columns) + 0.5
    y = np.arange(rows)[:, None] + 0.5
    half = crop_size / 2
    u, v = (np.abs(a * x + b * y + (c - half)) for a, b, c in to_crop)
    return (np.maximum(u, v) < half)[..., None]


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

"""The 68 points of a face (iBUG order) on the parametric mesh, and where a camera sees them.

Each point is the vertex nearest to an anatomical place on the average head, so it follows shape, expression and pose
of every portrait exactly, also where hair, a hat or a hand hides it. Jaw points are fixed places on the jaw, not the
outline that a camera happens to see, which detectors tend to give for turned heads.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from oodinv.portraits.stage import CAMERA_DISTANCE, Camera

if TYPE_CHECKING:
    from oodinv.portraits.anny_mesh import AnnyMesh

# x, y and z on the average head, millimetres, of the viewer's left half (x < 0) and the middle line.
_JAW = np.array([
    (-67.5, -45, 648), (-67, -50, 632), (-65.5, -54, 617), (-62.5, -60, 602), (-57.5, -70, 586),
    (-49, -83, 571), (-36, -100, 559), (-19, -116, 549), (0, -125, 546),
])  # fmt: skip
_BROW = np.array([(-51, -104, 666), (-45, -113, 672), (-36, -121, 675), (-26, -127, 674), (-15.5, -131, 670)])
_BRIDGE = np.array([(0, -132, 649), (0, -136, 636), (0, -143, 623), (0, -149, 611)])
_NOSTRILS = np.array([(-12.5, -129, 604), (-6.5, -136, 602.5), (0, -140, 601)])
_EYE = np.array([
    (-43, -109, 646.5), (-37.5, -116, 651.5), (-26, -117, 651.5),
    (-17.5, -116, 645.5), (-26, -116, 642.5), (-36.5, -115, 642.5),
])  # fmt: skip
# From the corner over the upper edge to the middle, and back from the middle of the lower edge.
_OUTER_LIP = np.array([
    (-22, -125, 580), (-14, -134, 587.5), (-5, -141, 591), (0, -143, 590),
    (0, -137, 569), (-7, -136, 569.5), (-14.5, -132, 573),
])  # fmt: skip
_INNER_LIP = np.array([(-19, -126, 580), (-8, -133, 580.8), (0, -135.5, 580.7), (0, -136.2, 580), (-8, -134, 580)])
_OTHER_SIDE = np.array([-1, 1, 1])


def _places() -> Float[np.ndarray, "68 3"]:
    """All places in iBUG order, metres."""
    ordered = [
        _JAW,
        _JAW[-2::-1] * _OTHER_SIDE,
        _BROW,
        _BROW[::-1] * _OTHER_SIDE,
        _BRIDGE,
        _NOSTRILS,
        _NOSTRILS[1::-1] * _OTHER_SIDE,
        _EYE,
        _EYE[[3, 2, 1, 0, 5, 4]] * _OTHER_SIDE,
        _OUTER_LIP[:4],
        _OUTER_LIP[[2, 1, 0, 6, 5]] * _OTHER_SIDE,
        _OUTER_LIP[4:],
        _INNER_LIP[:3],
        _INNER_LIP[[1, 0, 4]] * _OTHER_SIDE,
        _INNER_LIP[3:],
    ]
    return np.concatenate(ordered) / 1000


def landmark_vertices(mesh: "AnnyMesh") -> Int[np.ndarray, "68"]:
    """The vertices of the refined bust that are the 68 points."""
    # Depth counts little: a place is meant as it is seen from the front.
    weight = np.array([1.0, 0.3, 1.0])
    candidates = {"eye": mesh.eyelids > 0.4, "lip": mesh.lips > 0.25}
    found = []
    for number, place in enumerate(_places()):
        distance = (((mesh.template - place) * weight) ** 2).sum(1)
        part = "eye" if 36 <= number < 48 else "lip" if number >= 48 else None
        if part is not None:
            distance = np.where(candidates[part], distance, np.inf)
        found.append(int(np.argmin(distance)))
    return np.array(found)


def project(points: Float[np.ndarray, "points 3"], camera: Camera, size: int) -> Float[np.ndarray, "points xy=2"]:
    """Where a camera sees points, in pixels of a square photo with pixel centres at +0.5."""
    away = points - camera.target
    scale = CAMERA_DISTANCE / (CAMERA_DISTANCE + away[:, 1]) / camera.height
    return np.stack([0.5 + away[:, 0] * scale, 0.5 - away[:, 2] * scale], axis=1) * size

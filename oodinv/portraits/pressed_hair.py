"""Hair under a hat or a scarf: pressed to the head instead of growing through the cloth."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from oodinv.portraits.heads import Head
from oodinv.portraits.surfaces import Surface

_ROOM = 0.003  # metres of hair that any headwear leaves room for around the skull


def cap_size(head: Head) -> tuple[Float[np.ndarray, " 2"], float]:
    """Half axes and top of what is pulled over the head: it gives way to hair, and presses it down beyond that."""
    anchors, skin = head.anchors, head.skin.vertices
    skull = skin[(skin[:, 2] > anchors.head_centre[2] - 0.01) & (skin[:, 2] < anchors.head_centre[2] + 0.02)]
    radii = np.minimum(anchors.head_radii, np.ptp(skull[:, :2], axis=0) / 2 * 1.1)
    return radii, float(min(anchors.crown[2], skin[:, 2].max() + 0.022))


def under_hat(head: Head) -> Head:
    """Hair above the seat of a hat lies within a dome; from there it widens again over four centimetres."""
    anchors = head.anchors
    size, crown = cap_size(head)
    width, depth = size + _ROOM
    centre = anchors.head_centre + np.array([0, 0.004, -0.008])
    radii = np.array([width, depth, crown - centre[2] + 0.002])

    def press(vertices: np.ndarray) -> np.ndarray:
        away = vertices - centre
        above = away / radii
        above[:, 2] = np.maximum(above[:, 2], 0)
        reach = np.linalg.norm(above, axis=1)
        room = 1 + np.clip(-away[:, 2] / 0.04, 0, None) ** 2
        return centre + _shortened(away, reach, room)

    return _with_hair(head, press)


def under_scarf(head: Head) -> Head:
    """Hair all around lies close to skull and neck; what falls over the forehead stays."""
    anchors = head.anchors
    size, crown = cap_size(head)
    width, depth = size + _ROOM
    centre = anchors.head_centre + np.array([0, 0.004, -0.03])
    radii = np.array([width, depth, crown - centre[2]])
    neck = anchors.chin[2] - 0.01

    def press(vertices: np.ndarray) -> np.ndarray:
        away = vertices - centre
        # Narrower from the middle of the skull down to the neck, where the cloth is wound.
        low = np.clip(-away[:, 2:] / (centre[2] - neck), 0, 1)
        sides = np.concatenate([radii[:2] * (1 - low) + 0.052 * low, np.full((len(vertices), 1), radii[2])], axis=1)
        inside = away / sides
        inside[:, 2] = np.maximum(inside[:, 2], 0)
        pressed = centre + _shortened(away, np.linalg.norm(inside, axis=1), np.ones(len(vertices)))
        face = (vertices[:, 1] < anchors.eyes[:, 1].mean() + 0.02) & (np.abs(vertices[:, 0]) < 0.058)
        keep = face & (vertices[:, 2] > neck) & (vertices[:, 2] < anchors.head_centre[2])
        return np.where(keep[:, None], vertices, pressed)

    return _with_hair(head, press)


def _shortened(away: np.ndarray, reach: np.ndarray, room: np.ndarray) -> Float[np.ndarray, "vertices 3"]:
    """Offsets scaled back, sideways at least, to where they may reach."""
    factor = np.minimum(room / np.maximum(reach, 1e-9), 1.0)[:, None]
    scaled = away * factor
    scaled[:, 2] = np.where(away[:, 2] > 0, scaled[:, 2], away[:, 2])
    return scaled


def _with_hair(head: Head, press: Callable[[np.ndarray], np.ndarray]) -> Head:
    def moved(surface: Surface) -> Surface:
        return surface.moved(press(surface.vertices)) if surface.material == "hair" else surface

    return replace(head, surfaces=tuple(moved(surface) for surface in head.surfaces))

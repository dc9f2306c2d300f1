"""The few solid shapes that eyes and accessories are made of."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.surfaces import Surface, rotation_x, sheet


def ellipsoid(
    centre: np.ndarray,
    radii: np.ndarray,
    colour: np.ndarray,
    *,
    rotation: np.ndarray | None = None,
    rings: int = 20,
    gloss: float = 0.3,
    shininess: float = 30.0,
) -> Surface:
    """An ellipsoid; ``rotation`` is a 3x3 matrix applied before it is moved to its centre."""
    latitude = np.linspace(0, np.pi, rings)[:, None]
    longitude = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)[None]
    unit = np.stack(
        np.broadcast_arrays(
            np.sin(latitude) * np.cos(longitude), np.sin(latitude) * np.sin(longitude), np.cos(latitude)
        ),
        axis=-1,
    )
    points = unit * radii
    if rotation is not None:
        points = points @ rotation.T
    return sheet(points + centre, colour, closed=True, gloss=gloss, shininess=shininess)


def tube(
    line: Float[np.ndarray, "points 3"],
    radius: float | Float[np.ndarray, " points"],
    colour: np.ndarray,
    *,
    closed: bool = False,
    sides: int = 10,
    gloss: float = 0.4,
    shininess: float = 40.0,
) -> Surface:
    """A round tube along a line of points, of one radius or one per point."""
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = line[1] - line[0], line[-1] - line[-2]
    ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    # Any vector that is nowhere parallel to the line makes a frame without twist for the gentle curves used here.
    helper = np.eye(3)[np.argmin(np.abs(ahead).max(axis=0))]
    side = np.cross(ahead, helper)
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, ahead)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    reach = np.broadcast_to(radius, len(line))[:, None, None]
    points = line[:, None] + reach * (np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None])
    if closed:
        points = np.concatenate([points, points[:1]])
    return sheet(points, colour, closed=True, gloss=gloss, shininess=shininess)


def lathe(
    profile: Float[np.ndarray, "points 2"],
    centre: np.ndarray,
    colour: np.ndarray,
    *,
    stretch: tuple[float, float] = (1.0, 1.0),
    tilt: float = 0.0,
    segments: int = 48,
    gloss: float = 0.1,
    shininess: float = 12.0,
) -> Surface:
    """A profile of (radius, height) turned around the vertical axis.

    Args:
        profile: Radius and height of each ring.
        centre: Where height 0 of the axis lies.
        colour: One colour.
        stretch: Factors on the radius along x and y.
        tilt: Radians the axis leans back (towards +y).
        segments: Points per ring.
        gloss: Strength of the highlight.
        shininess: Its sharpness.
    """
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)[None]
    radius, height = profile[:, :1], profile[:, 1:]
    points = np.stack(
        np.broadcast_arrays(
            radius * np.cos(angle) * stretch[0], radius * np.sin(angle) * stretch[1], height + 0 * angle
        ),
        axis=-1,
    )
    return sheet(points @ rotation_x(-tilt).T + centre, colour, closed=True, gloss=gloss, shininess=shininess)


def along(profile: Float[np.ndarray, "points 2"], count: int) -> Float[np.ndarray, "{count} 2"]:
    """The same profile with points at even distances: room for patterns by vertex."""
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    place = np.linspace(0, steps[-1], count)
    return np.stack([np.interp(place, steps, profile[:, axis]) for axis in range(2)], axis=1)


def random_colour(rng: np.random.Generator, low: float, high: float) -> Float[np.ndarray, " 3"]:
    """A colour with some grey in it, channels within [low, high]."""
    return np.clip(0.6 * rng.uniform(low, high, 3) + 0.4 * rng.uniform(low, high), 0, 1)

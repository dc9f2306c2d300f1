"""Hats with a brim, beanies and baseball caps."""

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.shapes import ellipsoid, lathe, random_colour
from oodinv.portraits.surfaces import Surface, rotation_x, sheet

Rng = np.random.Generator


def hat(head: Head, rng: Rng) -> list[Surface]:
    """A hat with a brim and a band."""
    anchors, colour = head.anchors, random_colour(rng, 0.03, 0.95)
    width, depth = anchors.head_radii + rng.uniform(0.008, 0.014)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.002, 0.016)])
    height = anchors.crown[2] - seat[2] + rng.uniform(0.012, 0.045)
    brim, droop = rng.uniform(0.03, 0.075), rng.uniform(-0.2, 0.35)
    taper = rng.uniform(0.7, 0.98)
    crown = np.array(
        [
            (1.0, -0.012),
            (1.0, 0.0),
            (1 - (1 - taper) * 0.6, height * 0.6),
            (taper, height * 0.95),
            (taper * 0.9, height),
            (0.0, height * rng.uniform(0.88, 1.0)),
        ]
    )
    stretch = (float(width), float(depth))
    tilt = rng.uniform(-0.02, 0.14)
    outer = 1 + brim / width
    drop = droop * brim
    edge = np.array(
        [(0.96, 0.001), (1 + 0.5 * brim / width, -0.3 * drop), (outer, -drop), (outer, -drop - 0.004), (0.96, -0.004)]
    )
    band = np.array([(1.012, 0.0), (1.012, 0.022)])
    return [
        lathe(crown, seat, colour, stretch=stretch, tilt=tilt),
        lathe(edge, seat, colour * rng.uniform(0.75, 1.0), stretch=stretch, tilt=tilt),
        lathe(band, seat, random_colour(rng, 0.02, 0.9), stretch=stretch, tilt=tilt),
    ]


def cap(head: Head, rng: Rng) -> list[Surface]:
    """A knitted beanie or a baseball cap."""
    anchors, colour = head.anchors, random_colour(rng, 0.03, 0.95)
    width, depth = anchors.head_radii + rng.uniform(0.007, 0.012)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.012, 0.014)])
    height = anchors.crown[2] - seat[2] + rng.uniform(0.01, 0.03)
    tilt = rng.uniform(0.0, 0.16)
    angle = np.linspace(0, np.pi / 2, 14)
    dome = np.stack([np.cos(angle) ** 0.75, np.sin(angle) * height], axis=1)
    dome = np.concatenate([[[1.0, -0.014]], dome])
    stretch = (float(width), float(depth))
    surfaces = [lathe(dome, seat, colour, stretch=stretch, tilt=tilt)]
    if rng.random() < 0.5:
        cuff = np.array([(1.03, -0.016), (1.06, -0.008), (1.06, 0.016), (1.02, 0.022)])
        surfaces.append(lathe(cuff, seat, random_colour(rng, 0.03, 0.95), stretch=stretch, tilt=tilt))
        if rng.random() < 0.4:
            top = seat + rotation_x(-tilt) @ np.array([0, 0, height + 0.012])
            radii = np.full(3, rng.uniform(0.014, 0.024))
            surfaces.append(ellipsoid(top, radii, random_colour(rng, 0.1, 0.95), gloss=0.05))
    else:
        surfaces.append(_visor(seat, width, depth, tilt, colour * rng.uniform(0.6, 1.0), rng))
    return surfaces


def _visor(seat: np.ndarray, width: float, depth: float, tilt: float, colour: np.ndarray, rng: Rng) -> Surface:
    """The peak of a baseball cap: a bent sheet that starts under the dome's front rim."""
    around = np.linspace(-1.15, 1.15, 28)[None]
    reach = rng.uniform(0.5, 0.75) * np.cos(around * 1.3).clip(0.02)
    out = np.array([[0.97], [1.0], [1.0]]) + np.array([[0], [1], [1]]) * reach
    drop = np.array([-0.004, -0.012, -0.016])[:, None] - 0.012 * np.abs(around) ** 2
    points = np.stack(
        np.broadcast_arrays(width * out**0.3 * np.sin(around), -depth * out * np.cos(around), drop), axis=-1
    )
    return sheet(points @ rotation_x(-tilt).T + seat, colour)

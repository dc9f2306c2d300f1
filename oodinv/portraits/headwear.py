"""Hats with a brim, caps with a peak, knitted beanies."""

from typing import Literal

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.patterns import Pattern, paint
from oodinv.portraits.pressed_hair import cap_size
from oodinv.portraits.shapes import along, ellipsoid, lathe, random_colour
from oodinv.portraits.surfaces import Surface, rotation_x, sheet

Rng = np.random.Generator


def hat(head: Head, rng: Rng, *, form: Literal["fedora", "sun", "bowler", "cowboy"] = "fedora") -> list[Surface]:
    """A hat with a brim and a band."""
    anchors, colour = head.anchors, random_colour(rng, 0.03, 0.95)
    size, top = cap_size(head)
    width, depth = size + rng.uniform(0.008, 0.014)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.002, 0.016)])
    rise = top - seat[2]
    height, brim, droop, taper, dent = {
        "fedora": (rise + rng.uniform(0.02, 0.045), rng.uniform(0.035, 0.055), rng.uniform(-0.1, 0.3), 0.82, 0.85),
        "sun": (rise + rng.uniform(0.008, 0.02), rng.uniform(0.065, 0.09), rng.uniform(0.15, 0.45), 0.9, 1.0),
        "bowler": (rise + rng.uniform(0.018, 0.03), rng.uniform(0.025, 0.035), -0.35, 0.8, 1.12),
        "cowboy": (rise + rng.uniform(0.035, 0.06), rng.uniform(0.06, 0.08), 0.0, 0.8, 0.8),
    }[form]
    crown = np.array(
        [
            (1.0, -0.012),
            (1.0, 0.0),
            (1 - (1 - taper) * (0.35 if form == "bowler" else 0.6), height * 0.6),
            (taper, height * (0.85 if form == "bowler" else 0.95)),
            (taper * 0.85, height),
            (0.0, height * dent),
        ]
    )
    stretch = (float(width), float(depth))
    tilt = rng.uniform(-0.02, 0.14)
    drop, reach = droop * brim, brim / width
    edge = along(
        np.array(
            [
                (0.96, 0.001),
                (1 + 0.5 * reach, -0.3 * drop),
                (1 + reach, -drop),
                (1 + reach, -drop - 0.004),
                (0.96, -0.004),
            ]
        ),
        15,
    )
    brim_surface = lathe(edge, np.zeros(3), colour * rng.uniform(0.75, 1.0), stretch=stretch)
    if form == "cowboy":  # the sides of the brim are rolled up
        x, y, _ = brim_surface.vertices.T
        out = np.clip(np.hypot(x / width, y / depth) - 1, 0, None) / reach
        side = (x / np.maximum(np.hypot(x, y), 1e-9)) ** 2
        lift = np.stack([-0.25 * x * side * out, 0 * x, 0.055 * side * out**1.5 - 0.012 * (1 - side) * out], axis=1)
        brim_surface = brim_surface.moved(brim_surface.vertices + lift)
    band = np.array([(1.012, 0.0), (1.012, 0.022)])
    lean = rotation_x(-tilt).T
    weave: Pattern = "weave" if form == "sun" else "plain"
    return [
        paint(lathe(along(crown, 24), seat, colour, stretch=stretch, tilt=tilt), weave, colour, colour * 0.75, 0.012),
        brim_surface.moved(brim_surface.vertices @ lean + seat),
        lathe(band, seat, random_colour(rng, 0.02, 0.9), stretch=stretch, tilt=tilt),
    ]


def cap(head: Head, rng: Rng, *, form: Literal["baseball", "panels", "trucker", "flat"] = "baseball") -> list[Surface]:
    """A cap with a peak: of one colour, of panels, with a net at the back, or flat."""
    colour, other = random_colour(rng, 0.03, 0.95), random_colour(rng, 0.03, 0.95)
    low = 0.72 if form == "flat" else 1.0
    dome, seat, width, depth, tilt = _dome(head, rng, colour, swell=1.12 if form == "flat" else 1.0, low=low)
    if form == "panels":
        dome = paint(dome, "panels", colour, other, 0.5, centre=seat)
    if form == "trucker":
        front = (dome.vertices[:, 1] < seat[1] - 0.02)[:, None]
        net = paint(dome, "weave", other, other * 0.6, 0.006)
        dome = paint(dome, "plain", colour, colour, 1.0)
        dome.colours[:] = np.where(front, dome.colours, net.colours)
    peak = 0.6 if form == "flat" else 1.0
    return [
        dome,
        _visor(seat, width, depth, tilt, (other if form == "trucker" else colour) * rng.uniform(0.6, 1.0), rng, peak),
    ]


def beanie(head: Head, rng: Rng, *, form: Literal["plain", "striped", "bobble", "cuffed"] = "plain") -> list[Surface]:
    """A knitted beanie."""
    colour, other = random_colour(rng, 0.03, 0.95), random_colour(rng, 0.03, 0.95)
    dome, seat, width, depth, tilt = _dome(head, rng, colour)
    if form == "striped":
        dome = paint(dome, "rings", colour, other, rng.uniform(0.014, 0.03), centre=seat, tilt=tilt)
    else:
        dome = paint(dome, "ribs", colour, colour * 0.72, 0.16, centre=seat)
    surfaces = [dome]
    if form in ("cuffed", "bobble"):
        cuff = along(np.array([(1.03, -0.018), (1.06, -0.008), (1.06, 0.018), (1.02, 0.024)]), 8)
        band = other if form == "cuffed" else colour
        band_surface = lathe(cuff, seat, band, stretch=(width, depth), tilt=tilt, segments=96)
        surfaces.append(paint(band_surface, "ribs", band, band * 0.7, 0.13, centre=seat))
    if form == "bobble":
        top = seat + rotation_x(-tilt) @ np.array([0, 0, dome.vertices[:, 2].max() - seat[2] + 0.008])
        ball = ellipsoid(top, np.full(3, rng.uniform(0.018, 0.027)), other, rings=40, gloss=0.02)
        away = ball.vertices - top
        fluff = 1 + 0.12 * np.sin(away[:, :1] * 900) * np.sin(away[:, 1:2] * 1100) * np.sin(away[:, 2:] * 1000)
        surfaces.append(ball.moved(top + away * fluff))
    return surfaces


def _dome(
    head: Head, rng: Rng, colour: np.ndarray, *, swell: float = 1.0, low: float = 1.0
) -> tuple[Surface, np.ndarray, float, float, float]:
    """What covers the skull, where it sits, its half axes and how far it leans back."""
    anchors = head.anchors
    size, top = cap_size(head)
    width, depth = size + rng.uniform(0.007, 0.012)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.012, 0.014)])
    height = top - seat[2] + rng.uniform(0.01, 0.03) * low
    tilt = float(rng.uniform(0.0, 0.16))
    angle = np.linspace(0, np.pi / 2, 26)
    bulge = 1 + (swell - 1) * np.sin(2 * angle) ** 2
    dome = np.stack([np.cos(angle) ** 0.75 * bulge, np.sin(angle) * height], axis=1)
    dome = np.concatenate([[[1.0, -0.014]], dome])
    stretch = (float(width), float(depth))
    return lathe(along(dome, 60), seat, colour, stretch=stretch, tilt=tilt, segments=96), seat, *stretch, tilt


def _visor(
    seat: np.ndarray, width: float, depth: float, tilt: float, colour: np.ndarray, rng: Rng, length: float
) -> Surface:
    """The peak of a cap: a bent sheet that starts under the dome's front rim."""
    around = np.linspace(-1.15, 1.15, 28)[None]
    reach = length * rng.uniform(0.5, 0.75) * np.cos(around * 1.3).clip(0.02)
    out = np.array([[0.97], [1.0], [1.0]]) + np.array([[0], [1], [1]]) * reach
    drop = np.array([-0.004, -0.026, -0.030])[:, None] - 0.014 * np.abs(around) ** 2
    points = np.stack(
        np.broadcast_arrays(width * out**0.3 * np.sin(around), -depth * out * np.cos(around), drop), axis=-1
    )
    return sheet(points @ rotation_x(-tilt).T + seat, colour)

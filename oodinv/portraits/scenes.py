"""Photos that are not one portrait: a group of people, and a table of things without a face."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from oodinv.portraits.backgrounds import busy_background
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.shapes import ellipsoid, lathe, random_colour
from oodinv.portraits.stage import Camera, Lighting
from oodinv.portraits.studio import SUPERSAMPLING, Studio, average_down, in_front, refine
from oodinv.portraits.surfaces import Surface, sheet

_ZOOM = 0.5  # at which a person's arms end inside the frame
_ROWS = (0.10, 0.82)  # the part of that frame a group photo shows, from the top


def group_photo(
    studio: Studio, seeds: Sequence[int], *, height: int = 480, spacing: float = 0.58
) -> UInt8[np.ndarray, "height width 3"]:
    """Several people side by side before one background.

    Args:
        studio: Renders them.
        seeds: One person each, from the viewer's left to right; the first also draws the background.
        height: Rows of the photo; it becomes wider with each person.
        spacing: Distance of neighbours, in photo heights.

    Raises:
        ValueError: There are no seeds.
    """
    if not seeds:
        raise ValueError("a group photo needs at least one seed, got none")
    frame = round(height / (_ROWS[1] - _ROWS[0]))
    top, step = round(_ROWS[0] * frame), round(height * spacing)
    width = frame + step * (len(seeds) - 1)
    picture = refine(busy_background(seeds[0], max(width, frame))[:frame, :width])
    # Outer people first: those in the middle stand before them.
    for place in sorted(range(len(seeds)), key=lambda i: -abs(i - (len(seeds) - 1) / 2)):
        passes = studio.passes(replace(sample_params(seeds[place]), zoom=_ZOOM), size=frame)
        left = place * step * SUPERSAMPLING
        window = picture[:, left : left + frame * SUPERSAMPLING]
        window[:] = in_front(passes, window)
    return average_down(picture[top * SUPERSAMPLING :][: height * SUPERSAMPLING])


def still_life(studio: Studio, seed: int, *, size: int = 480) -> UInt8[np.ndarray, "size size 3"]:
    """Bowls, balls and bottles on a table before a busy background: a photo without a face."""
    rng = np.random.default_rng([seed, 4])
    things = [_table(rng)]
    for slot in range(5):
        place = np.array([-0.16 + 0.08 * slot + rng.uniform(-0.015, 0.015), rng.uniform(-0.05, 0.08), -0.1])
        make = (_ball, _bottle, _bowl)[rng.integers(3)]
        things.append(make(place, rng))
    passes = studio.stage.shoot(
        things,
        [],
        camera=Camera(target=np.zeros(3), height=0.42),
        lighting=Lighting(
            key_direction=(0.8, -1.0, 1.2),
            key=(1.5, 1.45, 1.4),
            rim_direction=(-0.8, 0.6, 0.6),
            rim=(0.4, 0.4, 0.45),
            fill=(0.2, 0.2, 0.2),
            sky=(0.5, 0.5, 0.55),
            ground=(0.25, 0.22, 0.2),
        ),
        width=size * SUPERSAMPLING,
        height=size * SUPERSAMPLING,
    )
    return average_down(in_front(passes, refine(busy_background(seed, size))))


def _table(rng: np.random.Generator) -> Surface:
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 30), np.linspace(-0.6, 0.35, 16))
    planks = 1 + 0.12 * np.sin(x * 60 + np.sin(y * 14))
    points = np.stack([x, y, -0.1 + 0.12 * y], axis=-1)
    return sheet(points, np.clip(random_colour(rng, 0.15, 0.7) * planks[..., None], 0, 1))


def _ball(place: np.ndarray, rng: np.random.Generator) -> Surface:
    radius = rng.uniform(0.025, 0.05)
    return ellipsoid(place + np.array([0, 0, radius]), np.full(3, radius), random_colour(rng, 0.05, 0.95))


def _bottle(place: np.ndarray, rng: np.random.Generator) -> Surface:
    body, height = rng.uniform(0.018, 0.03), rng.uniform(0.12, 0.2)
    outline = [(0, 0), (1, 0), (1, 0.6), (0.85, 0.68), (0.35, 0.78), (0.35, 1), (0, 1)]
    profile = np.array([(body * radius, height * level) for radius, level in outline])
    return lathe(profile, place, random_colour(rng, 0.05, 0.9), gloss=0.5, shininess=40.0)


def _bowl(place: np.ndarray, rng: np.random.Generator) -> Surface:
    rim = rng.uniform(0.035, 0.055)
    angle = np.linspace(0, np.pi / 2, 9)
    outside = np.stack([rim * np.sin(angle), rim * (1 - np.cos(angle))], axis=1)
    inside = outside[::-1] * [0.93, 1.0] + [0, 0.003]
    return lathe(np.concatenate([outside, inside]), place, random_colour(rng, 0.1, 0.95), gloss=0.3, shininess=30.0)

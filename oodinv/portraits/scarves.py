"""Headscarves and hoods: cloth around the head that leaves the face free."""

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.patterns import Pattern, paint
from oodinv.portraits.pressed_hair import cap_size
from oodinv.portraits.shapes import along, lathe, random_colour
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator


def headscarf(head: Head, rng: Rng, *, pattern: Pattern = "plain", loose: float = 0.0) -> list[Surface]:
    """Cloth over hair, ears and neck. ``loose`` (metres) lifts it off the head, as a hood stands."""
    anchors = head.anchors
    colour, other = random_colour(rng, 0.04, 0.95), random_colour(rng, 0.04, 0.95)
    size, highest = cap_size(head)
    width, depth = size + np.array([0.010, 0.012]) + loose
    chin, brow = anchors.chin[2] - 0.012 - 0.4 * loose, anchors.head_centre[2] + rng.uniform(-0.004, 0.012) + loose
    crown = highest + 0.012 + loose
    skin = head.skin.vertices
    forehead = skin[np.abs(skin[:, 2] - brow) < 0.012][:, 1].min() - 0.02
    cheeks, throat = anchors.eyes[:, 1].mean() + 0.045, anchors.chin[1] + 0.022
    back = anchors.head_centre[1] + depth
    # From the edge of the face backwards: half widths, lower and upper ends of the cross-sections.
    share = np.concatenate([[0.0, 0.0], np.linspace(0, 1, 40) ** 1.4])[:, None]
    inward = np.concatenate([[0.005, 0.0], np.zeros(40)])[:, None]  # the hem turns in
    around = np.linspace(0, 2 * np.pi, 129)[None, :-1]
    closing = np.sqrt(np.clip(1 - np.clip((share - 0.4) / 0.6, 0, 1) ** 2, 0, 1))
    opening = np.sin(np.clip(share / 0.16, 0, 1) * np.pi / 2)
    half = (0.063 + loose + (width - 0.063 - loose) * opening) * closing - inward
    middle_end = (crown + chin) / 2
    top = middle_end + (brow + (crown - brow) * opening - middle_end) * closing - inward
    low = middle_end + (chin - 0.03 * share - middle_end) * closing + inward
    folds = 0.0016 * np.sin(around * 9 + 14 * share + rng.uniform(0, 6)) * np.clip(share * 4, 0, 1) * closing
    c, s = np.cos(around), np.sin(around)
    fuller = np.sign(s) * np.abs(s) ** 0.8  # rounder than an ellipse: room for hair beside the cheeks
    x = (half + folds) * fuller
    z = (top + low) / 2 + ((top - low) / 2 + folds) * np.sign(c) * np.abs(c) ** 0.9
    hem = cheeks + (forehead - cheeks) * np.clip(c, 0, 1) ** 0.8 + (throat - cheeks) * np.clip(-c, 0, 1) ** 1.5
    y = hem + (back - hem) * share
    hood = sheet(np.stack(np.broadcast_arrays(x, y, z), axis=-1), colour, closed=True, gloss=0.05)
    neck = np.array([(0.070, 0.075), (0.078, 0.045), (0.10, 0.0), (0.125, -0.055), (0.15, -0.085)])
    place = np.array([0.0, anchors.head_centre[1] * 0.5 + 0.008, anchors.chin[2] - 0.075])
    drape = lathe(along(neck, 20), place, colour * 0.97, stretch=(1.0, 0.95), segments=96, gloss=0.05)
    angle = np.arctan2(drape.vertices[:, 0], -drape.vertices[:, 1] + place[1])
    wave = 1 + 0.05 * np.sin(angle * 7 + drape.vertices[:, 2] * 80 + rng.uniform(0, 6))
    drape = drape.moved((drape.vertices - place) * np.stack([wave, wave, np.ones_like(wave)], 1) + place)
    scale = rng.uniform(0.018, 0.034)
    return [paint(part, pattern, colour, other, scale) for part in (drape, hood)]

"""The light of a portrait, from its parameters, and what of it arrives at each surface."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from oodinv.portraits.params import PortraitParams
from oodinv.portraits.stage import Lighting
from oodinv.portraits.surfaces import Surface, vertex_normals
from oodinv.portraits.visibility import arriving, surrounding


def lighting(params: PortraitParams) -> Lighting:
    """A key light that the parameters place, its rim light opposite and behind, and light from around."""
    warm = np.array([1 + 1.6 * params.warmth, 1.0, 1 - 1.6 * params.warmth])
    cool = np.array([1 - params.warmth, 1.0, 1 + params.warmth])
    # The surroundings take a little of the backdrop's colour.
    wall = (np.array(params.background_a) + np.array(params.background_b)) / 2
    tint = 0.75 + 0.25 * wall / max(float(wall.mean()), 0.05)
    around = params.fill * 1.35 * cool * tint
    side = -np.tanh(params.key_x * 3)
    return Lighting(
        key_direction=(params.key_x, -1.0, params.key_z),
        key=_colour(3.1 * params.key * warm),
        rim_direction=(0.9 * side, 0.75, 0.45),
        rim=_colour(1.6 * params.rim * cool),
        fill=_colour(0.42 * params.fill * np.ones(3)),
        sky=_colour(around),
        ground=_colour(around * 0.5 * np.array([1.08, 1.0, 0.92])),
    )


def receive(surfaces: Sequence[Surface], light: Lighting) -> list[Surface]:
    """The surfaces with their share of the light: what other parts of the person leave of it.

    A surface that knows its share of the surrounding light (hair, from its depth) only gets the shadow.
    """
    normals = [
        vertex_normals(surface.vertices, surface.faces) if surface.normals is None else surface.normals
        for surface in surfaces
    ]
    cloud = np.concatenate([_occluders(surface) for surface in surfaces])
    key = np.array(light.key_direction)
    rooms = [surface.light is None for surface in surfaces]
    around = surrounding(
        np.concatenate([surface.vertices for surface, room in zip(surfaces, rooms, strict=True) if room]),
        np.concatenate([normal for normal, room in zip(normals, rooms, strict=True) if room]),
        cloud,
    )
    shadow = arriving(
        np.concatenate([surface.vertices for surface in surfaces]), cloud, key, cell=0.004, bias=0.0075, soft=2
    )
    lit, a, b = [], 0, 0
    for surface, normal, room in zip(surfaces, normals, rooms, strict=True):
        count = len(surface.vertices)
        if room:
            share = around[a : a + count]
            a += count
        else:
            assert surface.light is not None
            share = surface.light[:, 0]
        lit.append(replace(surface, normals=normal, light=np.stack([share, shadow[b : b + count]], axis=1)))
        b += count
    return lit


def _occluders(surface: Surface) -> np.ndarray:
    """Skin, cloth and the cap below the hair; single ribbons are too sparse to make a smooth shadow."""
    sparse = surface.material in ("eye", "cloth") or (
        surface.material == "hair" and len(surface.vertices) > 0 and surface.gloss > 0.25
    )
    return np.zeros((0, 3)) if sparse else surface.vertices


def _colour(values: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue

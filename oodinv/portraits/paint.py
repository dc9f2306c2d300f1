"""Colours of the skin, painted per vertex at its place on the average head."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh
from oodinv.portraits.params import PortraitParams

_EYE_HEIGHT = 0.6486  # metres, of the average head


def paint_skin(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, "vertices 3"]:
    """Colour of every vertex of the bust: complexion, cheeks, lips, eyelids, brows, stubble, inside of the mouth."""
    x, y, z = mesh.template.T
    skin, hair = np.array(params.skin), np.array(params.hair)
    colours = np.repeat(skin[None], len(x), axis=0)
    front = step(-y, 0.04, 0.08)
    cheeks = front * bump(np.abs(x) - 0.043, 0.016) * bump(z - 0.618, 0.016)
    ruddy = 0.10 * params.blush * (cheeks + 0.8 * bump(x, 0.014) * bump(z - 0.61, 0.01) * front)
    colours *= 1 - ruddy[:, None] * np.array([0.0, 1.0, 0.9])
    freckles = _speckle(mesh.template) * front * bump(z - 0.625, 0.018) * params.freckles
    colours *= 1 - 0.3 * freckles[:, None]
    tired = front * bump(np.abs(x) - 0.028, 0.012) * bump(z - 0.630, 0.007)
    colours *= 1 - (0.06 + 0.16 * max(params.age - 0.7, 0) / 0.3) * tired[:, None]
    colours = blend(colours, skin * 0.72, 0.45 * np.clip(mesh.eyelids, 0, 1))
    colours = blend(colours, np.array(params.lips), 0.9 * np.clip(mesh.lips * 1.3, 0, 1))
    colours = blend(colours, hair * 0.7 + skin * 0.05, brow_mask(mesh.template, params))
    colours = blend(colours, hair * 0.8 + skin * 0.1, stubble_mask(mesh, params))
    colours = blend(colours, np.array([0.30, 0.09, 0.09]), np.clip(mesh.mouth_inside * 2, 0, 1))
    colours = blend(colours, np.array([0.62, 0.28, 0.27]), mesh.tongue)
    return np.clip(colours, 0, 1)


def brow_mask(template: np.ndarray, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Where brows grow: a line over each eye, thick at the nose and thin at the temple."""
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    along = np.clip((x - 0.010) / 0.042, 0, 1)
    arch = _EYE_HEIGHT + 0.0215 + 0.0065 * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) - 0.006 * along**3
    width = params.brow_width * (0.0036 - 0.0022 * along)
    ends = step(x, 0.0085, 0.013) * (1 - step(x, 0.048, 0.055))
    return params.brow_density * 0.92 * np.exp(-(((z - arch) / width) ** 2)) * ends * (y < -0.05)


def stubble_mask(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Where beard and moustache darken the skin."""
    x, y, z = mesh.template.T
    lips = 1 - np.clip(mesh.lips * 1.5, 0, 1)
    jaw = (1 - step(z - 0.25 * np.maximum(np.abs(x) - 0.03, 0), 0.572, 0.590)) * step(z, 0.520, 0.545)
    beside = step(np.abs(x), 0.034, 0.056) * (1 - step(z, 0.575, 0.625)) * step(z, 0.52, 0.545)
    sideburn = step(np.abs(x), 0.055, 0.062) * (1 - step(z, 0.640, 0.660)) * step(z, 0.54, 0.56)
    chin = np.maximum(np.maximum(jaw, beside), sideburn * (y < -0.025)) * step(-y, 0.015, 0.035)
    moustache = bump(z - 0.5985, 0.0055) * (1 - step(np.abs(x), 0.026, 0.036)) * (y < -0.1)
    strength = np.maximum(chin * params.beard, np.clip(moustache * 1.4, 0, 1) * params.moustache)
    return 0.78 * strength * lips


def blend(colours: np.ndarray, paint: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Lay paint over colours; weight 1 covers."""
    weight = np.clip(weight, 0, 1)[:, None]
    return colours * (1 - weight) + paint * weight


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth rise from 0 at `low` to 1 at `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def bump(distance: np.ndarray, width: float) -> np.ndarray:
    """1 at distance 0, falling off like a bell."""
    return np.exp(-((distance / width) ** 2))


def _speckle(points: np.ndarray) -> np.ndarray:
    """Fixed freckle pattern: a product of waves, thresholded."""
    x, _, z = points.T * 1000
    waves = np.sin(x * 1.9 + np.sin(z * 1.3)) * np.sin(z * 1.7 + np.sin(x * 1.1))
    return step(waves, 0.55, 0.8)

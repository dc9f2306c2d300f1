"""The skin, painted per vertex at its place on the average head: colours, and weights of the details of `shading`."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh
from oodinv.portraits.curves import blend, bump, step
from oodinv.portraits.hairline import hair_depth
from oodinv.portraits.params import PortraitParams

_EYE_HEIGHT = 0.6486  # metres, of the average head


def paint_skin(
    mesh: AnnyMesh, params: PortraitParams
) -> tuple[Float[np.ndarray, "vertices 3"], Float[np.ndarray, "vertices 4"], Float[np.ndarray, "vertices 3"]]:
    """What the skin program of `shading` needs at every vertex of the bust.

    Returns:
        Colour (sRGB): complexion, redder and paler parts, lips, lids, inside of the mouth.
        Weights of details: lip, stubble (shaven scalp included), freckles, depth of furrows in millimetres.
        Colour of the stubble, linear.
    """
    x, y, z = mesh.template.T
    skin, hair = np.array(params.skin), np.array(params.hair)
    colours = np.repeat(skin[None], len(x), axis=0)
    front = step(-y, 0.04, 0.08)
    years = np.clip((params.age - 0.66) / 0.3, 0, 1)
    cheeks = front * bump(np.abs(x) - 0.041, 0.017) * bump(z - 0.618, 0.015)
    nose = front * bump(x, 0.013) * bump(z - 0.609, 0.013) * step(-y, 0.115, 0.135)
    chin = front * bump(x, 0.016) * bump(z - 0.553, 0.010)
    ears = np.clip(mesh.ears, 0, 1) * (np.abs(x) > 0.055)
    ruddy = (0.05 + 0.13 * params.blush) * (cheeks + 1.1 * nose + 0.5 * chin + 0.7 * ears)
    colours *= 1 - ruddy[:, None] * np.array([0.02, 1.0, 0.95])
    pale = front * (bump(x, 0.030) * bump(z - 0.69, 0.02)) * 0.04
    colours *= 1 + pale[:, None] * np.array([1.0, 1.0, 0.85])
    under = front * bump(np.abs(x) - 0.027, 0.013) * bump(z - 0.6345, 0.0055)
    socket = front * bump(np.abs(x) - 0.029, 0.018) * bump(z - 0.651, 0.012)
    colours *= 1 - ((0.05 + 0.22 * params.tired) * under + 0.05 * socket)[:, None] * np.array([0.8, 1.0, 0.85])
    shaven = step(-y, 0.0, 0.04) * (1 - step(z, 0.585, 0.605)) * step(z, 0.53, 0.545) * np.clip(params.gender, 0, 1)
    colours *= 1 - 0.05 * shaven[:, None] * np.array([1.0, 0.8, 0.6])
    colours = blend(colours, skin * np.array([0.80, 0.66, 0.64]), 0.35 * np.clip(mesh.eyelids, 0, 1))
    lip = step(np.clip(mesh.lips, 0, 1), 0.12, 0.85)
    colours = blend(colours, np.array(params.lips), 0.86 * lip)
    inner = np.clip(mesh.mouth_inside * 2, 0, 1)
    colours = blend(colours, np.array([0.36, 0.12, 0.11]), inner)
    colours = blend(colours, np.array([0.52, 0.24, 0.23]), mesh.tongue)
    edge = lid_edge(mesh.template)
    colours = blend(colours, np.array([0.06, 0.04, 0.04]), edge * (0.35 + 0.5 * params.liner))
    brows = brow_mask(mesh.template, params)
    scalp = step(hair_depth(mesh, params), -0.002, 0.014) * (0.97 - 0.72 * params.bald)
    fuzz = np.maximum(np.maximum(stubble_mask(mesh, params), 0.80 * brows), scalp)
    freckles = front * bump(z - 0.628, 0.022) * params.freckles
    detail = np.stack([lip, fuzz, freckles, furrow_depth(mesh.template, params, years)], axis=1)
    shade = np.clip(hair * 0.75 + skin * 0.06, 0, 1) ** 2.2
    return np.clip(colours, 0, 1), detail, np.repeat(shade[None], len(x), axis=0)


def furrow_depth(template: np.ndarray, params: PortraitParams, years: float) -> Float[np.ndarray, " vertices"]:
    """Height of the skin's wrinkles, millimetres: on the forehead, beside the eyes, from nose to mouth."""
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    front = step(-y, 0.05, 0.09)
    raised = 0.25 + 1.6 * params.brow_up
    lines = np.cos((z - 0.68 + 0.0025 * np.cos(x * 70)) * 2 * np.pi / 0.0085) * bump(z - 0.696, 0.014) * bump(x, 0.045)
    angle = np.arctan2(z - 0.648, x - 0.040)
    crow = np.cos(angle * 13) * bump(x - 0.053, 0.008) * bump(z - 0.647, 0.014)
    fold = -bump(x - (0.019 + 0.42 * (0.610 - z)), 0.0035) * bump(z - 0.597, 0.014)
    frown = -bump(x - 0.0055, 0.002) * bump(z - 0.664, 0.009) * (0.3 + 1.4 * params.brow_down)
    laughing = 0.4 + 1.2 * max(params.smile, 0.0)
    depth = years * (0.30 * raised * lines + 0.22 * laughing * crow + 0.5 * frown) + (0.15 + 0.6 * years) * fold
    return params.furrows * front * depth


def lid_edge(template: np.ndarray) -> Float[np.ndarray, " vertices"]:
    """The edge of the upper lid, where lashes grow."""
    away = [np.linalg.norm(template - np.array([side * 0.0296, -0.1076, 0.6486]), axis=1) for side in (-1, 1)]
    near = np.minimum(*away) / 0.0148
    return (1 - step(near, 1.0, 1.07)) * step(template[:, 2], 0.6480, 0.6505) * (template[:, 1] < -0.105)


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

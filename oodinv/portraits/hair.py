"""Hair as surfaces: a cap that swells out of the scalp, a curtain that falls behind the ears, a full beard."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import Surface, sheet

_LINE = np.array([-0.092, 0.712])  # y, z of a point on the average hairline
_LINE_NORMAL = np.array([0.62, 0.78])


def hair_surfaces(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> list[Surface]:
    """All hair of a portrait; a bald head may still wear a beard."""
    surfaces = []
    if params.bald < 0.5:
        surfaces.append(_cap(mesh, shape, params))
        if params.hair_length > 0:
            surfaces.append(_curtain(shape, params))
    if params.beard_length > 0:
        surfaces.append(_full_beard(mesh, shape, params))
    return surfaces


def hair_depth(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Signed distance behind the hairline on the average head, metres; hair grows where it is positive."""
    x, y, z = mesh.template.T
    depth = (y - _LINE[0]) * _LINE_NORMAL[0] + (z - _LINE[1]) * _LINE_NORMAL[1] + params.hair_line
    front = np.clip((-y - 0.06) / 0.04, 0, 1)
    temples = np.exp(-(((np.abs(x) - 0.042) / 0.018) ** 2))
    depth -= front * params.hair_recede * (0.012 + 0.022 * temples)
    sweep = 0.6 + 0.4 * np.tanh(-params.hair_part * x / 0.02)
    depth += front * params.hair_fringe * 0.042 * sweep * np.clip(1.3 - np.abs(x) / 0.06, 0, 1)
    sideburn = np.exp(-(((y + 0.062) / 0.012) ** 2)) * (z > 0.62) * 0.010
    ears = np.clip(mesh.ears * 3, 0, 1) * (1 - np.clip(params.hair_length * 2, 0, 1) * (y > -0.03))
    return np.minimum(depth + sideburn, (z - 0.545) * 0.8) - 0.06 * ears


def _cap(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """The scalp moved out along its normals; below zero it dives under the skin, which draws a clean hairline."""
    x, y, z = mesh.template.T
    depth = hair_depth(mesh, params)
    high = np.clip((z - 0.66) / 0.07, 0, 1)
    volume = params.hair_side * (1 - high) + params.hair_top * high
    part = 0.035 * params.hair_part
    volume = volume * (1 - 0.45 * np.exp(-(((x - part) / 0.008) ** 2)) * (y < 0.02) * high * abs(params.hair_part))
    azimuth = np.arctan2(x, y)
    phase = 2 * np.pi * params.hair_phase
    locks = np.sin(azimuth * 9 + phase) * np.sin(z * 160 + 2 * phase) + 0.6 * np.sin(azimuth * 21 - z * 230 + phase)
    volume = volume * (1 + 0.35 * params.hair_wave * locks)
    swell = np.clip(depth / 0.022, 0, 1)
    thickness = np.where(depth > 0, 0.0008 + volume * np.sqrt(swell), np.maximum(depth * 0.4, -0.004))
    strands = 1 + 0.16 * np.sin(azimuth * 47 + 3 * locks) + 0.10 * np.sin(azimuth * 23 + z * 60 + phase)
    colours = np.array(params.hair) * np.clip(strands, 0.6, 1.4)[:, None] * (0.8 + 0.2 * swell)[:, None]
    faces = mesh.faces[(depth[mesh.faces] > -0.006).any(1)]
    vertices = shape.vertices + shape.normals * thickness[:, None]
    return Surface(vertices=vertices, faces=faces, colours=np.clip(colours, 0, 1), gloss=0.16, shininess=18.0).compact()


def _curtain(shape: HeadShape, params: PortraitParams) -> Surface:
    """Long hair: a sheet from temple around the back to temple, from the upper skull down to its length."""
    vertices = shape.vertices
    skull = vertices[(vertices[:, 2] > 0.66) & (vertices[:, 2] < vertices[:, 2].max() - 0.04)]
    half_width, centre_y = np.abs(skull[:, 0]).max(), float(np.mean([skull[:, 1].min(), skull[:, 1].max()])) + 0.012
    half_depth = float(np.ptp(skull[:, 1])) / 2
    top = float(vertices[:, 2].max()) - 0.035
    bottom = top - 0.11 - 0.20 * params.hair_length
    down = np.linspace(0, 1, 26)[:, None]
    reach = 1.85 + 0.15 * np.sin(2 * np.pi * params.hair_phase)  # radians either side of the back of the head
    around = np.linspace(-reach, reach, 72)[None]
    height = top + (bottom - top) * down
    out = 0.90 + 0.23 * np.clip(down / 0.35, 0, 1) ** 0.7 + 0.05 * np.sin(np.pi * down) - 0.14 * down**3
    out = out + params.hair_side / half_width * np.clip(down * 3, 0, 1)
    phase = 2 * np.pi * params.hair_phase
    wave = 0.035 * params.hair_wave * np.sin(10 * down * (1 + params.hair_length) + 2 * around + phase)
    locks = 0.012 * np.sin(around * 17 + 2 * np.sin(4 * down + phase))
    radius = out + wave + locks
    x = radius * half_width * np.sin(around)
    y = centre_y + radius * half_depth * np.cos(around) * (1 - 0.25 * np.clip(down - 0.4, 0, 1))
    points = np.stack(np.broadcast_arrays(x, y, height), axis=-1)
    strands = 1 + 0.18 * np.sin(around * 43 + 4 * wave * 20 + phase) + 0.10 * np.sin(around * 19 + 6 * down)
    colours = np.array(params.hair) * np.clip(strands * (1 - 0.15 * down), 0.5, 1.4)[..., None]
    return sheet(points, np.clip(colours, 0, 1), gloss=0.16, shininess=18.0)


def _full_beard(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """A beard with body: the lower face moved out and down, fading into the skin at its border."""
    x, y, z = mesh.template.T
    border = np.minimum(0.583 + 0.5 * np.maximum(np.abs(x) - 0.03, 0) - z, (z - 0.528) * 1.2)
    border = np.minimum(border, (-y - 0.01) * 0.5)
    mouth = np.sqrt((x / 0.030) ** 2 + ((z - 0.586) / 0.012) ** 2)
    border = np.minimum(border, (mouth - 1.0) * 0.02)
    swell = np.clip(border / 0.015, -1, 1)
    thickness = np.where(swell > 0, 0.001 + 0.014 * params.beard_length * np.sqrt(np.abs(swell)), 0.002 * swell)
    curls = 1 + 0.12 * np.sin(x * 700 + np.sin(z * 500)) * np.sin(z * 600)
    vertices = shape.vertices + shape.normals * (thickness * curls)[:, None]
    vertices[:, 2] -= 0.012 * params.beard_length * np.clip(swell, 0, 1) * np.clip((0.57 - z) / 0.02, 0, 1)
    colours = np.clip(np.array(params.hair) * 0.9 * curls[:, None], 0, 1)
    faces = mesh.faces[(border[mesh.faces] > -0.004).any(1)]
    return Surface(vertices=vertices, faces=faces, colours=colours, gloss=0.08).compact()

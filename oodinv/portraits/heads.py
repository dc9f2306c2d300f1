"""From parameters to a coloured head: skin, brows, lips, eyes, teeth and a garment as surfaces."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.clothes import clothes
from oodinv.portraits.eyes import eyeballs, upper_teeth
from oodinv.portraits.facial_hair import FacialRoots, facial_hair
from oodinv.portraits.hair import Scalp, head_hair
from oodinv.portraits.paint import paint_skin
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.pose import towards_camera
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.surfaces import Surface


@dataclass(frozen=True, kw_only=True)
class HeadAnchors:
    """Points of one head, looking straight ahead, that accessories and framing hold on to."""

    eyes: Float[np.ndarray, "2 3"]
    """Viewer's left eye first."""
    nose_bridge: Float[np.ndarray, " 3"]
    nose_tip: Float[np.ndarray, " 3"]
    mouth: Float[np.ndarray, " 3"]
    chin: Float[np.ndarray, " 3"]
    ears: Float[np.ndarray, "2 3"]
    crown: Float[np.ndarray, " 3"]
    head_radii: Float[np.ndarray, " 2"]
    """Half width and half depth of the skull above the ears, hair included."""
    head_centre: Float[np.ndarray, " 3"]
    """Middle of the skull at the height where hats sit."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A head looking straight ahead: its surfaces, its anchors and the bare bust for things worn on the skin."""

    surfaces: tuple[Surface, ...]
    anchors: HeadAnchors
    skin: HeadShape


def build_head(mesh: AnnyMesh, params: PortraitParams) -> Head:
    """Make the surfaces of a portrait's head, neck, shoulders, hair and garment."""
    shape = mesh.shape(params)
    colours, detail, stubble = paint_skin(mesh, params)
    skin = Surface(
        vertices=shape.vertices,
        faces=mesh.faces,
        colours=colours,
        gloss=params.gloss,
        material="skin",
        normals=shape.normals,
        place=mesh.template,
        detail=detail,
        tangents=stubble,
        pattern=mesh.blotches,
    )
    scalp, facial = _roots(mesh)
    view = towards_camera(params)
    on_top = head_hair(mesh, scalp, shape, params, view)
    hair = [*on_top, *facial_hair(mesh, facial, shape, params, view)]
    # Hair first: what it hides is then never shaded.
    surfaces = (*hair, skin, *eyeballs(shape, params), upper_teeth(mesh, shape), *clothes(mesh, shape, params))
    hull = on_top[-1].vertices if on_top else np.zeros((0, 3))
    return Head(surfaces=surfaces, anchors=_anchors(mesh, shape, hull), skin=shape)


@lru_cache(maxsize=2)
def _roots(mesh: AnnyMesh) -> tuple[Scalp, FacialRoots]:
    """Where hair can grow: the same for every head, so made once per mesh."""
    return Scalp(mesh), FacialRoots(mesh, sample_params(0))


def _anchors(mesh: AnnyMesh, shape: HeadShape, hull: np.ndarray) -> HeadAnchors:
    vertices = shape.vertices
    x, y, z = mesh.template.T
    skull = vertices[(z > 0.68) & (z < 0.71)]
    crown = vertices[np.argmax(vertices[:, 2])].copy()
    radii = np.ptp(skull[:, :2], axis=0) / 2
    centre = (skull.min(0) + skull.max(0)) / 2
    if len(hull):
        # Things worn on hair lie on it: most strands are below, a few may poke out.
        high = hull[hull[:, 2] > centre[2]]
        crown[2] = max(crown[2], float(np.quantile(high[:, 2], 0.93)))
        reach = np.quantile(np.linalg.norm((high[:, :2] - centre[:2]) / radii, axis=1), 0.93)
        radii = radii * np.clip(reach, 1.0, 1.45)
    return HeadAnchors(
        eyes=shape.eye_centres,
        nose_bridge=vertices[mesh.nearest((0.0, -0.132, 0.652))],
        nose_tip=vertices[mesh.nearest((0.0, -0.149, 0.611))],
        mouth=vertices[mesh.nearest((0.0, -0.142, 0.588))],
        chin=vertices[mesh.nearest((0.0, -0.129, 0.549))],
        ears=np.stack([vertices[(mesh.ears > 0.5) & (np.sign(x) == side)].mean(0) for side in (-1, 1)]),
        crown=crown,
        head_radii=radii,
        head_centre=np.array([0.0, centre[1], vertices[(z > 0.69) & (y < -0.1)][:, 2].mean()]),
    )

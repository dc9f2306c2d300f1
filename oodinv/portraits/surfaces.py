"""Coloured triangle surfaces, the one thing that portraits are put together from.

World coordinates are Anny's: metres, x to the viewer's right, y away from the viewer, z up.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Material = Literal["plain", "skin", "hair", "eye", "cloth"]
"""What a surface is made of: how `shading` lights it."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A triangle mesh with a colour per vertex and a simple gloss."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    colours: Float[np.ndarray, "vertices 3"]
    """sRGB in [0, 1]."""
    gloss: float = 0.1
    """Strength of the highlight."""
    shininess: float = 12.0
    """Sharpness of the highlight (Phong exponent)."""
    material: Material = "plain"
    normals: Float[np.ndarray, "vertices 3"] | None = None
    """Unit normals; None: those of the triangles, averaged per vertex."""
    place: Float[np.ndarray, "vertices 3"] | None = None
    """Where a vertex lies on the average head (skin, cloth), beside its eye's axis (eye) or in its ribbon (hair):
    what patterns are anchored to."""
    detail: Float[np.ndarray, "vertices 4"] | None = None
    """Weights of a material's details, see `shading`."""
    tangents: Float[np.ndarray, "vertices 3"] | None = None
    """Direction of growth (hair)."""
    pattern: Float[np.ndarray, "vertices 2"] | None = None
    """Two octaves of noise in [0, 1] that are coarser than the mesh (skin)."""
    light: Float[np.ndarray, "vertices 2"] | None = None
    """Share of the surrounding light and of the main light that arrives, in [0, 1]; None: all of it."""

    def moved(self, vertices: Float[np.ndarray, "vertices 3"]) -> "Surface":
        """The same surface with its vertices elsewhere; given normals stay, so use it for small moves."""
        return replace(self, vertices=vertices)

    def compact(self) -> "Surface":
        """The same surface without the vertices that no face uses."""
        is_used = np.zeros(len(self.vertices), bool)
        is_used[self.faces] = True
        used, number = np.flatnonzero(is_used), np.cumsum(is_used) - 1
        kept: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[used]
            for name in ("vertices", "colours", "normals", "place", "detail", "tangents", "pattern", "light")
        }
        return replace(self, faces=number[self.faces], **kept)


def vertex_normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Unit normals per vertex, averaged over the adjacent faces by area."""
    # Coordinate by coordinate: numpy is slow along axes of three.
    corners = np.ascontiguousarray(faces.T)
    a, b, c = (np.ascontiguousarray(vertices.T)[:, corner] for corner in corners)
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    face_normals = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    x, y, z = (
        np.bincount(corners.ravel(), weights=np.tile(along, 3), minlength=len(vertices)) for along in face_normals
    )
    length = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-12)
    return np.stack([x / length, y / length, z / length], axis=1)


def faces_with(
    faces: Int[np.ndarray, "faces 3"], chosen: Bool[np.ndarray, " vertices"]
) -> Int[np.ndarray, "fewer_faces 3"]:
    """The faces that have a chosen vertex."""
    a, b, c = (chosen[faces[:, corner]] for corner in range(3))
    return faces[a | b | c]


def sheet(
    points: Float[np.ndarray, "rows columns 3"],
    colour: np.ndarray,
    *,
    closed: bool = False,
    gloss: float = 0.1,
    shininess: float = 12.0,
) -> Surface:
    """A surface through a grid of points.

    Args:
        points: The grid.
        colour: One colour [3], or one per point [rows, columns, 3].
        closed: Join the last column to the first.
        gloss: Strength of the highlight.
        shininess: Its sharpness.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1], right[:-1], right[1:], left[1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    colours = np.broadcast_to(colour, points.shape).reshape(-1, 3).astype(np.float64)
    return Surface(
        vertices=points.reshape(-1, 3).astype(np.float64),
        faces=faces,
        colours=colours.copy(),
        gloss=gloss,
        shininess=shininess,
    )


def rotation_x(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about x; a positive angle turns y towards z (radians)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about y; a positive angle turns z towards x (radians)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about z; a positive angle turns x towards y (radians)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

"""Anny's parametric human, cut to head and shoulders and refined where portraits need detail.

Anny (Naver Labs Europe; code Apache-2.0, MakeHuman assets CC0) gives 13,718 vertices from phenotype, local shape
changes and facial actions. Here its triangles are cut to the bust and split at their midpoints over the head, so that
brows, lips and hairlines can be painted per vertex. Refined vertices are means of base vertices, hence linear.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image

from oodinv.portraits.curves import lattice_noise
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.shape_names import local_changes
from oodinv.portraits.surfaces import vertex_normals

MISSING_EXTRA = (
    "the portrait studio needs the packages anny and vtk, which are not installed: "
    "run `pip install 'oodinv[portraits]'`"
)
_BUST_BOTTOM = 0.24  # metres; below every photo's lower edge
_TONGUE = slice(13348, 13574)
_LEFT_EYE, _RIGHT_EYE = slice(13574, 13646), slice(13646, 13718)


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """A head before colour: vertices of the refined bust and where its eyes are."""

    vertices: Float[np.ndarray, "vertices 3"]
    normals: Float[np.ndarray, "vertices 3"]
    eye_centres: Float[np.ndarray, "2 3"]
    """Viewer's left eye first."""
    eye_radius: float


class AnnyMesh:
    """The parametric mesh; building it takes a second, so one is kept per studio."""

    template: Float[np.ndarray, "vertices 3"]
    """Refined vertices of the average head without expression: where on a face a vertex lies."""
    faces: Int[np.ndarray, "faces 3"]
    lips: Float[np.ndarray, " vertices"]
    ears: Float[np.ndarray, " vertices"]
    eyelids: Float[np.ndarray, " vertices"]
    mouth_inside: Float[np.ndarray, " vertices"]
    blotches: Float[np.ndarray, "vertices 2"]
    """Coarse and finer noise over the skin, in [0, 1]."""

    def __init__(self) -> None:
        try:
            import torch
            import warp

            # Anny's skinning backend greets on stdout and warns natively where there is no CUDA, which is not used.
            warp.config.log_level = warp.LOG_ERROR
            with _native_stderr_off():
                warp.init()
            import anny
            from anny.models import phenotype, rigged_model
        except ImportError as error:
            raise ImportError(MISSING_EXTRA) from error
        self._torch, self._blend_weights = torch, phenotype.phenotype_blendshape_weights
        self._posed = rigged_model.RiggedModelWithLinearBlendShapes.forward
        model: Any = anny.Anny(local_changes="default", facial_actions="all", phenotypes="all")
        self._model = model.to(torch.float32)
        self._pose = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
        base = self._base_vertices({}, {}, {})
        all_faces = model.faces.numpy().astype(np.int64)
        kept = all_faces[(base[all_faces][:, :, 2].min(1) > _BUST_BOTTOM) & (all_faces.max(1) < _LEFT_EYE.start)]
        self._refine(base, kept)
        textures = Path(anny.__file__).parent / "data" / "mpfb2" / "textures"
        self.lips = self._texture_mask(textures / "mpfb_lips.jpg", all_faces)
        self.ears = self._texture_mask(textures / "mpfb_ears.jpg", all_faces)
        self.eyelids = self._texture_mask(textures / "mpfb_eyelids.jpg", all_faces)
        self.mouth_inside = self._texture_mask(textures / "mpfb_inside-mouth.jpg", all_faces)
        self.blotches = np.stack([lattice_noise(self.template, size, 31) for size in (0.011, 0.0037)], axis=1)
        self._nearest: dict[tuple[float, float, float], int] = {}
        self.tongue = self._spread(np.isin(np.arange(len(base)), np.arange(_TONGUE.start, _TONGUE.stop)))

    def shape(self, params: PortraitParams) -> HeadShape:
        """The bust of these parameters, looking straight ahead."""
        phenotype = {
            "age": params.age,
            "gender": params.gender,
            "weight": params.weight,
            "muscle": params.muscle,
            "african": params.african,
            "asian": params.asian,
            "caucasian": params.caucasian,
        }
        base = self._base_vertices(phenotype, local_changes(params.shape), _facial_actions(params))
        eyes = [base[_RIGHT_EYE], base[_LEFT_EYE]]
        centres = np.stack([(eye.min(0) + eye.max(0)) / 2 for eye in eyes])
        radius = float(np.mean([np.ptp(eye[:, [0, 2]], axis=0).mean() / 2 for eye in eyes]))
        a, b, c, d = (base[column] for column in self._pairs.T)
        vertices = (a + b + c + d) / 4
        return HeadShape(
            vertices=vertices,
            normals=vertex_normals(vertices, self.faces),
            eye_centres=centres,
            eye_radius=radius,
        )

    def nearest(self, point: tuple[float, float, float]) -> int:
        """The vertex at a place on the average head, metres."""
        if point not in self._nearest:
            self._nearest[point] = int(np.argmin(((self.template - np.array(point)) ** 2).sum(1)))
        return self._nearest[point]

    def _base_vertices(
        self, phenotype: dict[str, float], changes: dict[str, float], actions: dict[str, float]
    ) -> Float[np.ndarray, "base 3"]:
        with self._torch.no_grad():
            output = self._posed(self._model, self._pose, self._coefficients(phenotype, changes, actions))
        return output["vertices"][0].numpy().astype(np.float64)

    def _coefficients(self, phenotype: dict[str, float], changes: dict[str, float], actions: dict[str, float]) -> Any:
        """Weights of Anny's blend shapes [1, shapes]: what its model would find out name by name, in half of its time.

        They are those of the phenotype, of the actions, and of each local change upwards and downwards.
        """
        model = self._model
        values = dict.fromkeys(model.phenotype_labels, 0.5) | phenotype
        people = self._blend_weights(
            self._torch.tensor([[float(values[label]) for label in model.phenotype_labels]]),
            model.phenotype_labels,
            model.anchors,
            model.stacked_phenotype_blend_shapes_mask,
            extrapolate=model.extrapolate_phenotypes,
        )
        if model.phenotype_blendshape_projection is not None:
            people = people @ model.phenotype_blendshape_projection
        acting = self._torch.tensor([[float(actions.get(label, 0.0)) for label in model.facial_action_labels]])
        local = self._torch.tensor([[float(changes.get(label, 0.0)) for label in model.local_change_labels]])
        both_ways = self._torch.stack([local.clamp(min=0), (-local).clamp(min=0)], dim=2).flatten(1)
        return self._torch.cat([people, acting, both_ways], dim=1)

    def _refine(self, base: np.ndarray, faces: np.ndarray) -> None:
        """Split the head's triangles in four; keep for every vertex the four base vertices it is the mean of."""
        pairs = np.repeat(np.arange(len(base))[:, None], 4, axis=1)
        x, y, z = base.T
        head = (z > 0.45) & ~((z > 0.69) & (y > 0.03))
        face = (z > 0.53) & (z < 0.7) & (y < -0.085) & (np.abs(x) < 0.062)
        faces, pairs = _split(faces, pairs, head[faces].all(1))
        template = base[pairs].mean(axis=1)
        brows = (template[:, 2] > 0.662) & (template[:, 2] < 0.69) & face[pairs].any(1)
        faces, pairs = _split(faces, pairs, brows[faces].all(1))
        used, faces = np.unique(faces, return_inverse=True)
        self.faces = faces.reshape(-1, 3)
        self._pairs = pairs[used]
        self.template = base[self._pairs].mean(axis=1)

    def _texture_mask(self, path: Path, all_faces: np.ndarray) -> Float[np.ndarray, " vertices"]:
        """Read one of Anny's UV masks at the vertices; at a seam the larger of the two sides counts."""
        image = np.asarray(Image.open(path).convert("L"), dtype=np.float64) / 255
        uv = self._model.texture_coordinates.numpy()[self._model.face_texture_coordinate_indices.numpy().ravel()]
        height, width = image.shape
        column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
        row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        values = np.zeros(int(all_faces.max()) + 1)
        np.maximum.at(values, all_faces.ravel(), image[row, column])
        return self._spread(values)

    def _spread(self, base_values: np.ndarray) -> Float[np.ndarray, " vertices"]:
        return base_values[self._pairs].mean(axis=1)


@contextmanager
def _native_stderr_off() -> Iterator[None]:
    """Send file descriptor 2 nowhere; Python's own exceptions still pass."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _split(
    faces: Int[np.ndarray, "faces 3"], pairs: Int[np.ndarray, "vertices 4"], chosen: Bool[np.ndarray, " faces"]
) -> tuple[Int[np.ndarray, "more_faces 3"], Int[np.ndarray, "more_vertices 4"]]:
    """Split the chosen triangles at the midpoints of their edges."""
    split = faces[chosen]
    edges = np.sort(np.concatenate([split[:, [0, 1]], split[:, [1, 2]], split[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middle = (len(pairs) + inverse.reshape(3, -1)).T
    a, b, c = split.T
    ab, bc, ca = middle.T
    finer = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    # A base vertex is stored as four times itself and a midpoint as two and two, so a midpoint of midpoints is
    # still a mean of four base vertices.
    new_pairs = np.concatenate([pairs[unique[:, 0]][:, [0, 2]], pairs[unique[:, 1]][:, [0, 2]]], axis=1)
    return np.concatenate([faces[~chosen], finer]), np.concatenate([pairs, new_pairs])


def _facial_actions(params: PortraitParams) -> dict[str, float]:
    """Anny's (ARKit-like) facial actions of a portrait's expression."""
    smile, frown = max(params.smile, 0.0), max(-params.smile, 0.0)
    sides = {
        "mouthSmile": 1.25 * smile,
        "mouthStretch": 0.25 * smile,
        "mouthUpperUp": 0.35 * smile,
        "mouthLowerDown": 0.30 * smile,
        "mouthFrown": 1.1 * frown,
        "cheekSquint": 0.5 * smile,
        "eyeSquint": 0.3 * smile,
        "eyeBlink": params.blink,
        "browDown": params.brow_down,
        "browOuterUp": 0.5 * params.brow_up,
    }
    actions = {f"{name}{side}": value for name, value in sides.items() for side in ("Left", "Right")}
    return actions | {"jawOpen": params.jaw_open, "browInnerUp": params.brow_up}

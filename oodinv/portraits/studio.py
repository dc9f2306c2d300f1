"""The studio: parameters in, a photo with exact masks out.

A scene is rendered at twice the size and averaged down, so masks hold the share of each pixel that is covered. The
background is laid in behind the coverage before averaging.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from oodinv.portraits.accessories import Design, accessory_overlay, accessory_surfaces, find_design
from oodinv.portraits.anny_mesh import AnnyMesh
from oodinv.portraits.backgrounds import BACKGROUND_KINDS, BackgroundKind, busy_background, plain_background
from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.heads import Head, build_head
from oodinv.portraits.illumination import lighting, receive
from oodinv.portraits.landmarks import landmark_vertices, project
from oodinv.portraits.overlays import lay_over
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.pose import turn, turn_directions
from oodinv.portraits.stage import Camera, Passes, Stage
from oodinv.portraits.surfaces import Surface

STUDIO_VERSION = 1
"""To be raised with every change of what a seed looks like: no dataset is rendered by halves of two programs."""
SUPERSAMPLING = 2
_FRAME = 0.40  # metres of the face's plane that a photo shows; an FFHQ crop takes about two thirds of it


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A rendered portrait.

    Convention:
        Masks are the covered share of each pixel, 0 … 255. ``accessory_mask`` is 255 where the accessory is seen.
        ``silhouette`` is 255 on the person, hair and clothes included, and does not know of accessories: one before
        the person does not cut a hole, one beside the person is outside.
    """

    photo: UInt8[np.ndarray, "height width 3"]
    accessory_mask: UInt8[np.ndarray, "height width"]
    silhouette: UInt8[np.ndarray, "height width"]
    landmarks: Float[np.ndarray, "68 xy=2"]
    """Of the face, iBUG order, in photo pixels with pixel centres at +0.5; hidden ones too."""


class Studio:
    """Owns the stage and the parametric mesh; make one per process (not thread-safe).

    Raises:
        ImportError: The extra ``portraits`` is not installed.
        NoOffscreenGl: No OpenGL context without a screen can be made.
    """

    def __init__(self) -> None:
        self.stage = Stage()
        self._mesh = AnnyMesh()
        self._marks = landmark_vertices(self._mesh)

    def render(
        self,
        params: PortraitParams,
        *,
        accessory: str | None = None,
        background: BackgroundKind = "plain",
        size: int = 224,
        seed: int = 0,
        unchanged: PortraitParams | None = None,
    ) -> Portrait:
        """Render one portrait.

        Args:
            params: The person and the light.
            accessory: A design or a kind of `accessories` (the seed then draws the design), or None.
            background: ``plain`` is the gradient of ``params``; ``busy`` a texture drawn from ``seed``.
            size: Width and height of the photo in pixels.
            seed: Form and colours of the accessory and the busy background.
            unchanged: The portrait that this one is a counterfactual of: what is held, not worn, stays where that one
                shows it. None: this is no counterfactual.

        Raises:
            PortraitsError: Unknown accessory or background, or a size below 16.
        """
        if background not in BACKGROUND_KINDS:
            raise PortraitsError(f"unknown background {background!r}: expected one of {', '.join(BACKGROUND_KINDS)}")
        _check_size(size)
        scenery = plain_background(params, size) if background == "plain" else busy_background(seed, size)
        design = None if accessory is None else find_design(accessory, seed)
        head = build_head(self._mesh, params)
        passes = self._shoot(head, params, design, size=size, seed=seed, unchanged=unchanged)
        photo, accessory_mask = _before(passes, np.round(scenery * 255).astype(np.uint8)), average_down(passes.things)
        over = None if design is None else accessory_overlay(design, size, seed)
        if over is not None:
            photo, accessory_mask = lay_over(photo, over), over.alpha
        marks = turn(head.skin.vertices[self._marks], params)
        return Portrait(
            photo=photo,
            accessory_mask=accessory_mask,
            silhouette=average_down(passes.people),
            landmarks=project(marks, _camera(head, params), size),
        )

    def passes(self, params: PortraitParams, *, size: int) -> Passes:
        """Fine pixels of a portrait without background, `SUPERSAMPLING` times ``size`` wide and high.

        Raises:
            PortraitsError: A size below 16.
        """
        _check_size(size)
        return self._shoot(build_head(self._mesh, params), params, None, size=size, seed=0)

    def _shoot(
        self,
        head: Head,
        params: PortraitParams,
        design: Design | None,
        *,
        size: int,
        seed: int,
        unchanged: PortraitParams | None = None,
    ) -> Passes:
        worn = [] if design is None else self._things(design, head, params, seed, unchanged)
        if design is not None and design.press is not None:
            head = design.press(head)
        light = lighting(params)
        people = receive([_turned(surface, params) for surface in head.surfaces], light)
        return self.stage.shoot(
            people,
            worn,
            camera=_camera(head, params),
            lighting=light,
            width=size * SUPERSAMPLING,
            height=size * SUPERSAMPLING,
        )

    def _things(
        self, design: Design, head: Head, params: PortraitParams, seed: int, unchanged: PortraitParams | None
    ) -> list[Surface]:
        """What is worn turns with the head; what is held stays in the picture where the unchanged portrait has it."""
        if design.attached or unchanged is None:
            return [_turned(surface, params) for surface in accessory_surfaces(design, head, seed)]
        before = build_head(self._mesh, unchanged)
        shift = _camera(head, params).target - _camera(before, unchanged).target
        held = [_turned(surface, unchanged) for surface in accessory_surfaces(design, before, seed)]
        return [replace(surface, vertices=surface.vertices + shift) for surface in held]


def _check_size(size: int) -> None:
    if size < 16:
        raise PortraitsError(f"a portrait needs a size of at least 16 pixels, got {size}")


def _before(passes: Passes, scenery: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """The same as ``average_down(in_front(passes, refine(scenery)))``, where fine pixels without coverage are black."""
    bare = SUPERSAMPLING**2 - _summed((passes.coverage > 0).view(np.uint8))
    return ((_summed(passes.lit) + bare[..., None] * scenery + 2) // 4).astype(np.uint8)


def in_front(passes: Passes, fine: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Fine pixels of a scene before fine pixels of a background: each is one or the other, never a mixture."""
    return np.where(passes.coverage[..., None] > 0, passes.lit, fine)


def refine(scenery: Float[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "fine_height fine_width 3"]:
    """Fine pixels of a background given at output size as sRGB in [0, 1]."""
    return np.round(scenery * 255).astype(np.uint8).repeat(SUPERSAMPLING, 0).repeat(SUPERSAMPLING, 1)


def average_down(fine: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Mean of each block of 2 x 2 fine pixels, rounded."""
    return ((_summed(fine) + 2) // 4).astype(np.uint8)


def _summed(fine: UInt8[np.ndarray, "..."]) -> UInt16[np.ndarray, "..."]:
    rows = np.add(fine[0::2], fine[1::2], dtype=np.uint16)
    return rows[:, 0::2] + rows[:, 1::2]


def _camera(head: Head, params: PortraitParams) -> Camera:
    """Follows the eyes, as a photographer keeps a face in the frame."""
    frame = _FRAME / params.zoom
    offset = np.array([-params.offset_x * frame, 0.04, -0.012 - params.offset_z * frame])
    return Camera(target=turn(head.anchors.eyes, params).mean(axis=0) + offset, height=frame)


def _turned(surface: Surface, params: PortraitParams) -> Surface:
    vertices = turn(surface.vertices, params)
    directions: dict[str, Any] = {}
    if surface.normals is not None:
        directions["normals"] = turn_directions(surface.vertices, surface.normals, params)
    if surface.tangents is not None and surface.material == "hair":
        directions["tangents"] = turn_directions(surface.vertices, surface.tangents, params)
    return replace(surface, vertices=vertices, **directions)

"""The studio: renders portraits offscreen with VTK, with exact masks of accessory and person.

Three passes share one camera: the lit photo with transparency where nothing is, the accessory flat white against
everything else black, and the person alone flat white. Each is rendered at twice the size and averaged down, so masks
hold the share of a pixel that is covered. The background is laid in afterwards, behind the coverage.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from oodinv.portraits.accessories import accessory_surfaces
from oodinv.portraits.anny_mesh import MISSING_EXTRA, AnnyMesh
from oodinv.portraits.backgrounds import BACKGROUND_KINDS, BackgroundKind, busy_background, plain_background
from oodinv.portraits.heads import Head, build_head, turn
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import Surface, vertex_normals

_SUPERSAMPLING = 2
_CAMERA_DISTANCE = 1.15  # metres
_FRAME = 0.40  # metres of the face's plane that a photo shows; an FFHQ crop takes about two thirds of it


class NoOffscreenGl(RuntimeError):
    """This machine offers no OpenGL context without a screen."""


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


class Studio:
    """Owns a render window and the parametric mesh; make one per process (not thread-safe).

    Raises:
        ImportError: The extra ``portraits`` is not installed.
        NoOffscreenGl: No OpenGL context without a screen can be made.
    """

    def __init__(self) -> None:
        self._vtk = _import_vtk()
        self._mesh = AnnyMesh()
        self._window = _offscreen_window(self._vtk)

    def render(
        self,
        params: PortraitParams,
        *,
        accessory: str | None = None,
        background: BackgroundKind = "plain",
        size: int = 224,
        seed: int = 0,
    ) -> Portrait:
        """Render one portrait.

        Args:
            params: The person and the light.
            accessory: A kind of `accessories`, or None.
            background: ``plain`` is the gradient of ``params``; ``busy`` a texture drawn from ``seed``.
            size: Width and height of the photo in pixels.
            seed: Form and colours of the accessory and the busy background.

        Raises:
            ValueError: Unknown accessory or background, or a size below 16.
        """
        if background not in BACKGROUND_KINDS:
            raise ValueError(f"unknown background {background!r}: expected one of {', '.join(BACKGROUND_KINDS)}")
        if size < 16:
            raise ValueError(f"a portrait needs a size of at least 16 pixels, got {size}")
        pixels = size * _SUPERSAMPLING
        scenery = plain_background(params, size) if background == "plain" else busy_background(seed, size)
        lit, coverage, accessory_coverage, person = self._passes(params, accessory, seed, pixels)
        behind = np.round(scenery * 255).astype(np.uint8).repeat(_SUPERSAMPLING, 0).repeat(_SUPERSAMPLING, 1)
        # Half-transparent edges do not exist before averaging: each fine pixel is person or background.
        photo = np.where(coverage[..., None] > 0, lit, behind)
        return Portrait(
            photo=_average_down(photo),
            accessory_mask=_average_down(accessory_coverage),
            silhouette=_average_down(person),
        )

    def _passes(
        self, params: PortraitParams, accessory: str | None, seed: int, pixels: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Fine pixels of the lit picture, its coverage, the visible accessory and the person alone."""
        head = build_head(self._mesh, params)
        extras = accessory_surfaces(accessory, head, seed) if accessory is not None else []
        renderer = self._vtk.vtkRenderer()
        people = [self._actor(surface, params) for surface in head.surfaces]
        things = [self._actor(surface, params) for surface in extras]
        for actor in people + things:
            renderer.AddActor(actor)
        renderer.SetBackground(0, 0, 0)
        renderer.SetBackgroundAlpha(0)
        _aim(renderer, head, params)
        _light(self._vtk, renderer, params)
        self._window.SetSize(pixels, pixels)
        self._window.AddRenderer(renderer)
        try:
            picture = self._grab(pixels)
            lit, coverage = picture[..., :3], picture[..., 3]
            if not things:
                return lit, coverage, np.zeros_like(coverage), coverage
            for actor in people + things:
                _flatten(actor, white=actor in things)
            visible = self._grab(pixels)[..., 0]
            for actor in things:
                actor.VisibilityOff()
            person = self._grab(pixels)[..., 3]
            return lit, coverage, visible, person
        finally:
            self._window.RemoveRenderer(renderer)

    def _actor(self, surface: Surface, params: PortraitParams) -> Any:
        from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

        vertices = turn(surface.vertices, params)
        normals = vertex_normals(vertices, surface.faces)
        points = self._vtk.vtkPoints()
        points.SetData(numpy_to_vtk(np.ascontiguousarray(vertices, np.float32), deep=True))
        triangles = self._vtk.vtkCellArray()
        triangles.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(surface.faces, np.int64).ravel(), deep=True))
        mesh = self._vtk.vtkPolyData()
        mesh.SetPoints(points)
        mesh.SetPolys(triangles)
        mesh.GetPointData().SetNormals(numpy_to_vtk(np.ascontiguousarray(normals, np.float32), deep=True))
        bytes_ = np.round(np.clip(surface.colours, 0, 1) * 255).astype(np.uint8)
        mesh.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(bytes_), deep=True))
        mapper = self._vtk.vtkPolyDataMapper()
        mapper.SetInputData(mesh)
        actor = self._vtk.vtkActor()
        actor.SetMapper(mapper)
        look = actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetAmbient(params.fill * 0.8)
        look.SetDiffuse(1.0)
        look.SetSpecular(surface.gloss)
        look.SetSpecularPower(surface.shininess)
        return actor

    def _grab(self, pixels: int) -> UInt8[np.ndarray, "height width 4"]:
        from vtk.util.numpy_support import vtk_to_numpy

        self._window.Render()
        data = self._vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, pixels - 1, pixels - 1, 0, data)
        return vtk_to_numpy(data).reshape(pixels, pixels, 4)[::-1].copy()


def _import_vtk() -> Any:
    # Without a screen VTK would try X first and complain; EGL and OSMesa need none.
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    try:
        import vtk
    except ImportError as error:
        raise ImportError(MISSING_EXTRA) from error
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    return vtk


def _offscreen_window(vtk: Any) -> Any:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)  # supersampling does it, and each fine pixel stays person or background
    window.SetAlphaBitPlanes(True)
    window.SetSize(16, 16)
    window.AddRenderer(vtk.vtkRenderer())
    window.Render()
    if not window.SupportsOpenGL():
        raise NoOffscreenGl(
            "no offscreen OpenGL context could be made, which portraits are rendered with: "
            "on Debian or Ubuntu run `apt install libegl1 libgl1-mesa-dri libosmesa6`"
        )
    window.RemoveRenderer(window.GetRenderers().GetFirstRenderer())
    return window


def _aim(renderer: Any, head: Head, params: PortraitParams) -> None:
    frame = _FRAME / params.zoom
    eyes = turn(head.anchors.eyes, params).mean(axis=0)
    target = eyes + np.array([-params.offset_x * frame, 0.04, -0.012 - params.offset_z * frame])
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(*target)
    camera.SetPosition(target[0], target[1] - _CAMERA_DISTANCE, target[2])
    camera.SetViewUp(0, 0, 1)
    camera.SetViewAngle(2 * np.degrees(np.arctan(frame / 2 / _CAMERA_DISTANCE)))
    camera.SetClippingRange(0.4, 2.5)


def _light(vtk: Any, renderer: Any, params: PortraitParams) -> None:
    """A key light that the parameters place, a weaker one opposite, and one from the camera."""
    warm = (1 + params.warmth, 1.0, 1 - params.warmth)
    renderer.RemoveAllLights()
    for x, z, strength, colour in (
        (params.key_x, params.key_z, params.key, warm),
        (-params.key_x * 0.7, 0.3, params.fill * 0.6, (1.0, 1.0, 1.0)),
        (0.0, 0.1, params.fill * 0.6, (1.0, 1.0, 1.0)),
    ):
        light = vtk.vtkLight()
        light.SetLightTypeToSceneLight()
        light.SetPositional(False)
        light.SetPosition(x, -1, z)
        light.SetFocalPoint(0, 0, 0)
        light.SetIntensity(strength)
        light.SetColor(*(min(channel, 1.15) for channel in colour))
        renderer.AddLight(light)


def _flatten(actor: Any, *, white: bool) -> None:
    actor.GetMapper().ScalarVisibilityOff()
    look = actor.GetProperty()
    look.LightingOff()
    look.SetColor(*((1, 1, 1) if white else (0, 0, 0)))


def _average_down(fine: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Mean of each block of 2 x 2 fine pixels, rounded."""
    wide = fine.astype(np.uint16)
    total = wide[0::2, 0::2] + wide[1::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)

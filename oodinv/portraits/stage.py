"""The stage: a VTK window without a screen that turns surfaces, a camera and lights into fine pixels.

Nothing here averages: every fine pixel belongs wholly to one thing, which is what makes the masks exact.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from oodinv.portraits.actors import Lighting, flatten, make_actor
from oodinv.portraits.anny_mesh import MISSING_EXTRA
from oodinv.portraits.surfaces import Surface

CAMERA_DISTANCE = 1.15
"""Metres from the camera to its target."""


class NoOffscreenGl(RuntimeError):
    """This machine offers no OpenGL context without a screen."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Looks along +y at a target from `CAMERA_DISTANCE`."""

    target: Float[np.ndarray, " 3"]
    height: float
    """Metres seen from top to bottom at the target."""


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Fine pixels of one scene. Masks are 0 or 255."""

    lit: UInt8[np.ndarray, "height width 3"]
    coverage: UInt8[np.ndarray, "height width"]
    """Where anything is."""
    things: UInt8[np.ndarray, "height width"]
    """Where a thing is seen."""
    people: UInt8[np.ndarray, "height width"]
    """Where people would be seen without the things."""


class Stage:
    """Owns one offscreen window; make one per process (not thread-safe).

    Raises:
        ImportError: VTK is not installed.
        NoOffscreenGl: No OpenGL context without a screen can be made.
    """

    def __init__(self) -> None:
        self._vtk = _import_vtk()
        self._window = _open_window(self._vtk)

    def shoot(
        self,
        people: Sequence[Surface],
        things: Sequence[Surface],
        *,
        camera: Camera,
        lighting: Lighting,
        width: int,
        height: int,
    ) -> Passes:
        """Render one scene: the people, then the things before them, then what is seen of the things as a mask.

        Args:
            people: Surfaces whose coverage is `Passes.people`.
            things: Surfaces whose visible part is `Passes.things`.
            camera: Where to look from.
            lighting: Where light comes from.
            width: Fine pixels across.
            height: Fine pixels down.
        """
        renderer = self._vtk.vtkRenderer()
        renderer.SetBackground(0, 0, 0)
        renderer.SetBackgroundAlpha(0)
        person_actors = [make_actor(self._vtk, surface, lighting) for surface in people]
        for actor in person_actors:
            renderer.AddActor(actor)
        _aim(renderer.GetActiveCamera(), camera)
        self._window.SetSize(width, height)
        self._window.AddRenderer(renderer)
        try:
            picture = self._grab(width, height)
            lit, coverage = picture[..., :3], picture[..., 3]
            if not things:
                return Passes(lit=lit, coverage=coverage, things=np.zeros_like(coverage), people=coverage)
            # The people stay in colour and depth; only the things are drawn on, once lit and once white on nothing.
            for actor in person_actors:
                actor.VisibilityOff()
            thing_actors = [make_actor(self._vtk, surface, lighting) for surface in things]
            for actor in thing_actors:
                renderer.AddActor(actor)
            renderer.PreserveDepthBufferOn()
            renderer.PreserveColorBufferOn()
            both = self._grab(width, height)
            for actor in thing_actors:
                flatten(actor)
            renderer.PreserveColorBufferOff()
            seen = self._grab(width, height)
            return Passes(lit=both[..., :3], coverage=both[..., 3], things=seen[..., 3], people=coverage)
        finally:
            self._window.RemoveRenderer(renderer)

    def _grab(self, width: int, height: int) -> UInt8[np.ndarray, "height width 4"]:
        from vtk.util.numpy_support import vtk_to_numpy

        self._window.Render()
        data = self._vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, data)
        return vtk_to_numpy(data).reshape(height, width, 4)[::-1].copy()


def _import_vtk() -> Any:
    try:
        import vtk
    except ImportError as error:
        raise ImportError(MISSING_EXTRA) from error
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    return vtk


def _open_window(vtk: Any) -> Any:
    """An EGL window, else an OSMesa one: neither needs a screen.

    VTK's own choice would try an X server first and complain where there is none.
    """
    backends = ["vtkEGLRenderWindow"]
    if _has_osmesa():  # VTK crashes instead of saying no where it is missing
        backends.append("vtkOSOpenGLRenderWindow")
    for backend in backends:
        if not hasattr(vtk, backend):
            continue
        window = getattr(vtk, backend)()
        window.SetOffScreenRendering(True)
        window.SetMultiSamples(0)  # supersampling does it, and each fine pixel stays one thing
        window.SetAlphaBitPlanes(True)
        window.SetSize(16, 16)
        if window.SupportsOpenGL():
            return window
    raise NoOffscreenGl(
        "no offscreen OpenGL context could be made, which portraits are rendered with: "
        "on Debian or Ubuntu run `apt install libegl1 libgl1-mesa-dri` or `apt install libosmesa6`"
    )


def _has_osmesa() -> bool:
    for name in ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _aim(eye: Any, camera: Camera) -> None:
    x, y, z = camera.target
    eye.SetFocalPoint(x, y, z)
    eye.SetPosition(x, y - CAMERA_DISTANCE, z)
    eye.SetViewUp(0, 0, 1)
    eye.SetViewAngle(2 * np.degrees(np.arctan(camera.height / 2 / CAMERA_DISTANCE)))
    eye.SetClippingRange(0.4, 2.5)

"""The stage: a VTK window without a screen that turns surfaces, a camera and lights into fine pixels.

Nothing here averages: every fine pixel belongs wholly to one thing, which is what makes the masks exact.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from oodinv.portraits import shading
from oodinv.portraits.anny_mesh import MISSING_EXTRA
from oodinv.portraits.params import Colour
from oodinv.portraits.surfaces import Surface, vertex_normals

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
class Lighting:
    """All light of a scene, linear: a key and a rim light from far away, a fill at the camera, and the surroundings."""

    key_direction: tuple[float, float, float]
    """Where the key light comes from, in world coordinates."""
    key: Colour
    rim_direction: tuple[float, float, float]
    rim: Colour
    fill: Colour
    sky: Colour
    """Light from above."""
    ground: Colour
    """Light from below."""


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
        """Render one scene: lit, then flat for the masks (only if there are things).

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
        person_actors = [self._actor(surface, lighting) for surface in people]
        thing_actors = [self._actor(surface, lighting) for surface in things]
        for actor in person_actors + thing_actors:
            renderer.AddActor(actor)
        _aim(renderer.GetActiveCamera(), camera)
        self._window.SetSize(width, height)
        self._window.AddRenderer(renderer)
        try:
            picture = self._grab(width, height)
            lit, coverage = picture[..., :3], picture[..., 3]
            if not things:
                return Passes(lit=lit, coverage=coverage, things=np.zeros_like(coverage), people=coverage)
            for actor in person_actors + thing_actors:
                _uniforms(actor).SetUniformf("flat_m", 2.0 if actor in thing_actors else 1.0)
            seen = self._grab(width, height)[..., 0]
            for actor in thing_actors:
                actor.VisibilityOff()
            return Passes(lit=lit, coverage=coverage, things=seen, people=self._grab(width, height)[..., 3])
        finally:
            self._window.RemoveRenderer(renderer)

    def _actor(self, surface: Surface, lighting: Lighting) -> Any:
        from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

        points = self._vtk.vtkPoints()
        points.SetData(numpy_to_vtk(np.ascontiguousarray(surface.vertices, np.float32), deep=True))
        triangles = self._vtk.vtkCellArray()
        corners = np.ascontiguousarray(surface.faces, np.int64).ravel()
        triangles.SetData(3, numpy_to_vtkIdTypeArray(corners, deep=True))
        mesh = self._vtk.vtkPolyData()
        mesh.SetPoints(points)
        mesh.SetPolys(triangles)
        mapper = self._vtk.vtkPolyDataMapper()
        mapper.SetInputData(mesh)
        mapper.ScalarVisibilityOff()
        for name, values in _attributes(surface).items():
            array = numpy_to_vtk(np.ascontiguousarray(values, np.float32), deep=True)
            array.SetName(name)
            mesh.GetPointData().AddArray(array)
            mapper.MapDataArrayToVertexAttribute(name, name, self._vtk.vtkDataObject.FIELD_ASSOCIATION_POINTS, -1)
        actor = self._vtk.vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().LightingOff()
        # A head's far side is never seen; other surfaces may be open sheets.
        actor.GetProperty().SetBackfaceCulling(surface.material == "skin")
        program = actor.GetShaderProperty()
        program.AddVertexShaderReplacement("//VTK::Normal::Dec", True, shading.VERTEX_DECLARATIONS, False)
        program.AddVertexShaderReplacement("//VTK::Normal::Impl", True, shading.VERTEX_CODE, False)
        # The position in view coordinates is otherwise only there for lights of VTK's own.
        program.AddVertexShaderReplacement("//VTK::PositionVC::Dec", True, "out vec4 vertexVCVSOutput;", False)
        program.AddVertexShaderReplacement(
            "//VTK::PositionVC::Impl",
            True,
            "vertexVCVSOutput = MCVCMatrix * vertexMC; gl_Position = MCDCMatrix * vertexMC;",
            False,
        )
        program.AddVertexShaderReplacement(
            "//VTK::Camera::Dec", True, "uniform mat4 MCDCMatrix; uniform mat4 MCVCMatrix;", False
        )
        program.AddFragmentShaderReplacement("//VTK::PositionVC::Dec", True, "in vec4 vertexVCVSOutput;", False)
        program.AddFragmentShaderReplacement(
            "//VTK::PositionVC::Impl", True, "vec4 vertexVC = vertexVCVSOutput;", False
        )
        declarations = "#define vertexVC vertexVCVSOutput\n" + shading.FRAGMENT_DECLARATIONS + "#undef vertexVC\n"
        program.AddFragmentShaderReplacement("//VTK::Normal::Dec", True, declarations, False)
        program.AddFragmentShaderReplacement("//VTK::Light::Impl", True, shading.FRAGMENT_CODE[surface.material], False)
        uniforms = _uniforms(actor)
        for name, values in _light_uniforms(lighting).items():
            uniforms.SetUniform3f(name, values)
        uniforms.SetUniformf("flat_m", 0.0)
        uniforms.SetUniformf("gloss_m", float(surface.gloss))
        uniforms.SetUniformf("power_m", float(surface.shininess))
        return actor

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


def _uniforms(actor: Any) -> Any:
    return actor.GetShaderProperty().GetFragmentCustomUniforms()


def _attributes(surface: Surface) -> dict[str, np.ndarray]:
    """What `shading.ATTRIBUTES` names, per vertex; normals in view coordinates, colours linear."""
    count = len(surface.vertices)
    normals = surface.normals if surface.normals is not None else vertex_normals(surface.vertices, surface.faces)
    found = {
        "albedo": np.clip(surface.colours, 0, 1) ** 2.2,
        "bent": _to_view(normals),
        "place": surface.place,
        "detail": surface.detail,
        "tangent": surface.tangents,
        "pattern": surface.pattern,
        "light": np.ones((count, 2)) if surface.light is None else surface.light,
    }
    if surface.material == "hair" and surface.tangents is not None:
        found["tangent"] = _to_view(surface.tangents)
    return {
        name: np.zeros((count, size)) if (values := found[name]) is None else values
        for name, size in shading.ATTRIBUTES.items()
    }


def _light_uniforms(lighting: Lighting) -> dict[str, list[float]]:
    key, rim = (
        _to_view(np.array(direction) / np.linalg.norm(direction))
        for direction in (lighting.key_direction, lighting.rim_direction)
    )
    values = (key, lighting.key, rim, lighting.rim, lighting.fill, lighting.sky, lighting.ground)
    return {name: [float(part) for part in value] for name, value in zip(shading.UNIFORMS, values, strict=True)}


def _to_view(vectors: np.ndarray) -> np.ndarray:
    """World directions (z up, y away) as view directions (y up, z towards the camera)."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], axis=-1)

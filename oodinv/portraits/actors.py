"""Surfaces as VTK actors that run the programs of `shading` instead of VTK's own lights."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from oodinv.portraits import shading
from oodinv.portraits.params import Colour
from oodinv.portraits.surfaces import Surface, vertex_normals


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


def make_actor(vtk: Any, surface: Surface, lighting: Lighting) -> Any:
    """An actor of a surface: its mesh, the attributes of its vertices and the program of its material."""
    mesh, attributes = _mesh(vtk, surface), _attributes(surface)
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(mesh)
    mapper.ScalarVisibilityOff()
    for name, values in attributes.items():
        array = _to_vtk(values)
        array.SetName(name)
        mesh.GetPointData().AddArray(array)
        mapper.MapDataArrayToVertexAttribute(name, name, vtk.vtkDataObject.FIELD_ASSOCIATION_POINTS, -1)
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().LightingOff()
    # A head's far side is never seen; other surfaces may be open sheets.
    actor.GetProperty().SetBackfaceCulling(surface.material == "skin")
    program = actor.GetShaderProperty()
    for place, code in shading.VERTEX_REPLACEMENTS.items():
        program.AddVertexShaderReplacement(place, True, code, False)
    for place, code in shading.fragment_replacements(surface.material).items():
        program.AddFragmentShaderReplacement(place, True, code, False)
    uniforms = _uniforms(actor)
    for name, direction_or_colour in _light_uniforms(lighting).items():
        uniforms.SetUniform3f(name, direction_or_colour)
    uniforms.SetUniformf("flat_m", 0.0)
    uniforms.SetUniformf("gloss_m", float(surface.gloss))
    uniforms.SetUniformf("power_m", float(surface.shininess))
    return actor


def flatten(actor: Any) -> None:
    """Paint an actor flat white, on exactly the pixels that it covers when lit."""
    _uniforms(actor).SetUniformf("flat_m", 1.0)


def _mesh(vtk: Any, surface: Surface) -> Any:
    from vtk.util.numpy_support import numpy_to_vtkIdTypeArray

    points = vtk.vtkPoints()
    points.SetData(_to_vtk(surface.vertices))
    triangles = vtk.vtkCellArray()
    corners = np.ascontiguousarray(surface.faces, np.int64).ravel()
    triangles.SetData(3, numpy_to_vtkIdTypeArray(corners, deep=True))
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(triangles)
    return mesh


def _to_vtk(values: np.ndarray) -> Any:
    from vtk.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(np.ascontiguousarray(values, np.float32), deep=True)


def _uniforms(actor: Any) -> Any:
    return actor.GetShaderProperty().GetFragmentCustomUniforms()


def _attributes(surface: Surface) -> dict[str, np.ndarray]:
    """What `shading.ATTRIBUTES` names, per vertex; normals in view coordinates, colours linear."""
    count = len(surface.vertices)
    normals = surface.normals if surface.normals is not None else vertex_normals(surface.vertices, surface.faces)
    tangents = surface.tangents
    if surface.material == "hair" and tangents is not None:
        tangents = _to_view(tangents)
    found: dict[str, np.ndarray | None] = {
        "albedo": np.clip(surface.colours, 0, 1) ** 2.2,
        "bent": _to_view(normals),
        "place": surface.place,
        "detail": surface.detail,
        "tangent": tangents,
        "pattern": surface.pattern,
        "light": np.ones((count, 2)) if surface.light is None else surface.light,
    }
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
    return {
        name: [float(part) for part in np.asarray(value)] for name, value in zip(shading.UNIFORMS, values, strict=True)
    }


def _to_view(vectors: np.ndarray) -> np.ndarray:
    """World directions (z up, y away) as view directions (y up, z towards the camera)."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], axis=-1)

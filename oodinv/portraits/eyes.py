"""Eyes and teeth: the parts of a face that are not skin."""

from dataclasses import replace

import numpy as np

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.curves import step
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.shapes import ellipsoid
from oodinv.portraits.surfaces import Surface, rotation_x, rotation_z, sheet


def eyeballs(shape: HeadShape, params: PortraitParams) -> list[Surface]:
    """Two eyeballs that look where the gaze goes; `shading` draws iris, pupil and glints by the angle to the gaze."""
    yaw, pitch = params.gaze_x, params.gaze_z
    turned = rotation_z(yaw) @ rotation_x(-pitch)
    axes = turned @ np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # columns: right, up, along the gaze
    eyes = []
    for centre in shape.eye_centres:
        ball = ellipsoid(
            centre, np.full(3, shape.eye_radius), np.array([0.80, 0.775, 0.755]), rings=30,
            rotation=rotation_x(np.pi / 2),
        )  # fmt: skip
        direction = (ball.vertices - centre) / shape.eye_radius
        lid = 1 - 0.55 * step(direction[:, 2], 0.05, 0.42) - 0.25 * step(np.abs(direction[:, 0]), 0.45, 0.85)
        iris = np.repeat(np.array([params.iris]) ** 2.2, len(direction), axis=0)
        eyes.append(
            replace(
                ball,
                material="eye",
                normals=direction,
                place=direction @ axes,
                detail=np.stack([lid, 0 * lid, 0 * lid, 0 * lid], axis=1),
                tangents=iris,
            )
        )
    return eyes


def upper_teeth(mesh: AnnyMesh, shape: HeadShape) -> Surface:
    """The upper row of teeth: a bent strip behind the upper lip, seen when the mouth opens."""
    lip = shape.vertices[mesh.nearest((0.0, -0.1425, 0.592))]
    corners = shape.vertices[[mesh.nearest((side * 0.024, -0.125, 0.586)) for side in (-1, 1)]]
    half = 0.74 * np.abs(corners[:, 0]).mean()
    across = np.linspace(-1, 1, 25)[None]
    down = np.linspace(0.004, -0.0115, 4)[:, None]
    tooth = 0.5 + 0.5 * np.cos(across * np.pi * 8)
    points = np.stack(
        np.broadcast_arrays(half * across, lip[1] + 0.0110 + 0.013 * across**2, lip[2] + down + 0.001 * across**2),
        axis=-1,
    )
    colours = (
        np.array([0.80, 0.765, 0.70])
        * (0.86 + 0.14 * tooth[..., None] ** 0.3)
        * (1 - 0.45 * np.abs(across[..., None]) ** 2)
        * np.ones((4, 1, 1))
    )
    teeth = sheet(points, colours, gloss=0.3, shininess=30.0)
    # Thin parts around them let more light in than their depth says.
    return replace(teeth, light=np.full((len(teeth.vertices), 2), 0.8))

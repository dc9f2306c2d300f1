"""Eyes and teeth: the parts of a face that are not skin."""

from dataclasses import replace

import numpy as np

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.paint import blend, step
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.shapes import ellipsoid
from oodinv.portraits.surfaces import Surface, rotation_x, rotation_z, sheet


def eyeballs(shape: HeadShape, params: PortraitParams) -> list[Surface]:
    """Two eyeballs that look where the gaze goes, painted by the angle to the line of sight."""
    yaw, pitch = params.gaze_x, params.gaze_z
    gaze = rotation_z(yaw) @ rotation_x(-pitch) @ np.array([0.0, -1.0, 0.0])
    glint = np.array([0.35 * np.sign(params.key_x + 1e-9), -1.0, 0.35])
    glint /= np.linalg.norm(glint)
    eyes = []
    for centre in shape.eye_centres:
        ball = ellipsoid(
            centre, np.full(3, shape.eye_radius), np.ones(3), rings=36, rotation=rotation_x(np.pi / 2), gloss=0.35,
            shininess=60.0,
        )  # fmt: skip
        direction = (ball.vertices - centre) / shape.eye_radius
        angle = np.degrees(np.arccos(np.clip(direction @ gaze, -1, 1)))
        white = np.array([0.93, 0.91, 0.89])
        colours = np.repeat(white[None], len(angle), 0)
        colours = blend(colours, np.array(params.iris) * 0.45, 1 - step(angle, 29.0, 33.0))
        colours = blend(colours, np.array(params.iris), 1 - step(angle, 23.0, 28.0))
        colours = blend(colours, np.array([0.02, 0.02, 0.02]), 1 - step(angle, 9.0, 13.0))
        highlight = np.degrees(np.arccos(np.clip(direction @ glint, -1, 1)))
        colours = blend(colours, np.array([1.0, 1.0, 1.0]), 0.95 * (1 - step(highlight, 4.0, 8.0)))
        eyes.append(replace(ball, colours=colours))
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
    colours = np.array([0.90, 0.87, 0.80]) * (0.86 + 0.14 * tooth[..., None] ** 0.3) * np.ones((4, 1, 1))
    return sheet(points, colours, gloss=0.3, shininess=30.0)

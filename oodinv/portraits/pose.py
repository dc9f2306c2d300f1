"""Turning a head: yaw, pitch and roll, with shoulders that follow by a part."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import rotation_x, rotation_y, rotation_z

_NECK_PIVOT_Y = -0.03  # metres; the axis a head turns about lies a little before the ears


_PIVOT = np.array([0.0, _NECK_PIVOT_Y, 0.56])


def turn(vertices: Float[np.ndarray, "vertices 3"], params: PortraitParams) -> Float[np.ndarray, "vertices 3"]:
    """Turn points by the portrait's yaw, pitch and roll; shoulders follow the head by a part of it."""
    return turn_directions(vertices, vertices - _PIVOT, params) + _PIVOT


def turn_directions(
    vertices: Float[np.ndarray, "vertices 3"], directions: Float[np.ndarray, "vertices 3"], params: PortraitParams
) -> Float[np.ndarray, "vertices 3"]:
    """Turn directions that start at points as the points turn."""
    share = np.clip((vertices[:, 2:] - 0.43) / 0.12, 0, 1)
    # Rotations by a share of the angles: interpolate between the two poses the share stands for.
    weight = share * share * (3 - 2 * share)
    low, high = (_rotation(params, part) for part in (0.35, 1.0))
    turned = directions @ high.T
    below = np.flatnonzero(share < 1)
    part = weight[below]
    turned[below] = directions[below] @ low.T * (1 - part) + turned[below] * part
    return turned


def towards_camera(params: PortraitParams) -> Float[np.ndarray, " 3"]:
    """Direction to the camera, seen from a head that looks straight ahead."""
    return np.array([0.0, -1.0, 0.0]) @ _rotation(params, 1.0)


def _rotation(params: PortraitParams, part: float) -> Float[np.ndarray, "3 3"]:
    yaw, pitch, roll = np.radians([params.yaw, params.pitch, params.roll]) * part
    return rotation_y(roll) @ rotation_z(yaw) @ rotation_x(-pitch)

"""Where hair grows on a head."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh
from oodinv.portraits.params import PortraitParams

_LINE = np.array([-0.092, 0.712])  # y, z of a point on the average hairline
_LINE_NORMAL = np.array([0.62, 0.78])


def hair_depth(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Signed distance behind the hairline on the average head, metres; hair grows where it is positive."""
    x, y, z = mesh.template.T
    depth = (y - _LINE[0]) * _LINE_NORMAL[0] + (z - _LINE[1]) * _LINE_NORMAL[1] + params.hair_line
    front = np.clip((-y - 0.06) / 0.04, 0, 1)
    temples = np.exp(-(((np.abs(x) - 0.042) / 0.018) ** 2))
    depth -= front * params.hair_recede * (0.012 + 0.022 * temples)
    sweep = 0.6 + 0.4 * np.tanh(-params.hair_part * x / 0.02)
    depth += front * params.hair_fringe * 0.042 * sweep * np.clip(1.3 - np.abs(x) / 0.06, 0, 1)
    sideburn = np.exp(-(((y + 0.062) / 0.012) ** 2)) * (z > 0.62) * 0.010
    ears = np.clip(mesh.ears * 3, 0, 1) * (1 - np.clip(params.hair_length * 2, 0, 1) * (y > -0.03))
    return np.minimum(depth + sideburn, (z - 0.545) * 0.8) - 0.06 * ears

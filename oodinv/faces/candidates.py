"""CenterFace's maps to candidate faces, and of overlapping candidates the surest (Xu et al. 2019, arXiv 1911.03599)."""

import numpy as np
from jaxtyping import Float32

Candidates = tuple[Float32[np.ndarray, "faces 4"], Float32[np.ndarray, "faces 5 2"], Float32[np.ndarray, " faces"]]
"""Boxes x0 y0 x1 y1, points x y, and scores, the surest first, in the input's pixels."""

STRIDE = 4
"""Input pixels per cell of the network's maps."""


def decode(
    heatmap: Float32[np.ndarray, "1 rows columns"],
    log_size: Float32[np.ndarray, "2 rows columns"],
    offset: Float32[np.ndarray, "2 rows columns"],
    landmarks: Float32[np.ndarray, "10 rows columns"],
    threshold: float,
) -> Candidates:
    """Turn the network's maps into boxes, points and scores, the surest first (paper, section 3.2).

    A cell whose heat exceeds the threshold is the centre of a face: its box centre is
    (cell + offset + 0.5) * STRIDE, its size exp(log_size) * STRIDE; landmarks are fractions of the box from its top
    left corner. Channel order of all maps is y before x.

    Returns:
        In input pixels (continuous coordinates).
    """
    rows, columns = np.nonzero(heatmap[0] > threshold)
    scores = heatmap[0, rows, columns]
    order = np.lexsort((columns, rows, -scores))
    rows, columns, scores = rows[order], columns[order], scores[order]
    size = np.exp(log_size[::-1, rows, columns].T) * STRIDE
    centre = (np.stack([columns, rows], axis=1) + offset[::-1, rows, columns].T + 0.5) * STRIDE
    corner = centre - size / 2
    fractions = landmarks[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    points = corner[:, None] + fractions * size[:, None]
    return boxes, points.astype(np.float32), scores


def suppress_overlaps(
    boxes: Float32[np.ndarray, "faces 4"], scores: Float32[np.ndarray, " faces"], threshold: float
) -> list[int]:
    """Indices of the boxes that no surer box overlaps by more than the threshold (intersection over union)."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    remaining = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while remaining.size:
        best, remaining = remaining[0], remaining[1:]
        kept.append(int(best))
        low = np.maximum(boxes[remaining, :2], boxes[best, :2])
        high = np.minimum(boxes[remaining, 2:], boxes[best, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        remaining = remaining[shared <= threshold * (areas[remaining] + areas[best] - shared)]
    return kept

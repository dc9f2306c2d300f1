"""Detectors by name."""

from oodinv.faces.face import DetectorUnavailable, FaceDetector

DETECTORS = ("centerface", "face-alignment")
"""The names `load_detector` knows; the first is the default."""


def load_detector(name: str = "centerface") -> FaceDetector:
    """Load a face detector.

    Args:
        name: `centerface` (5 points, comes with the package) or `face-alignment` (68 points, needs a weight file).

    Raises:
        ValueError: The name is not one of `DETECTORS`.
        DetectorUnavailable: Files the detector needs are missing; the message names them, their folder and the way out.
    """
    if name == "centerface":
        from oodinv.faces.centerface import CenterFace

        return CenterFace()
    if name == "face-alignment":
        from oodinv.faces.face_alignment68 import FaceAlignment68

        return FaceAlignment68()
    raise ValueError(f"expected a detector name out of {', '.join(DETECTORS)}; got {name!r}")


__all__ = ["DETECTORS", "DetectorUnavailable", "load_detector"]

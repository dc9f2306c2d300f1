"""Where a face lies: landmarks to the FFHQ crop, and the crop's pixels.

The geometry is that of the FFHQ dataset's published alignment (Karras et al. 2019, appendix A): a square turned with
the line between the eyes, centred a little below them, as wide as the larger of two eye distances and 1.8 times the
distance from eyes to mouth, to either side of the centre.
"""

import numpy as np
from jaxtyping import Float, Float32, UInt8

from oodinv.faces.face import Face
from oodinv.faces.resample import resample, scale_of


def crop_transform(face: Face, crop_size: int) -> Float[np.ndarray, "2 3"]:
    """The similarity that takes crop pixels to photo pixels, from 68 or 5 landmarks.

    Convention:
        Crop and photo coordinates are continuous, pixel centres at + 0.5: crop (0, 0) is the outer corner of the
        first pixel and lands on the quadrilateral's top left corner. (The published script adds 0.5 to its corners
        because its landmarks count pixels by their index; ours already lie at centres.)

    Args:
        face: Landmarks in photo coordinates.
        crop_size: Side of the crop in pixels.

    Returns:
        2 x 3 affine, float64.

    Raises:
        ValueError: Eyes and mouth do not span a square, e.g. all points on one spot.
    """
    eye_left, eye_right, mouth_left, mouth_right = _anchors(face)
    eye_centre = (eye_left + eye_right) / 2
    eye_to_eye = eye_right - eye_left
    eye_to_mouth = (mouth_left + mouth_right) / 2 - eye_centre
    across = eye_to_eye - _quarter_turn(eye_to_mouth)
    length = np.hypot(*across)
    if not np.isfinite(length) or length < 1e-6:
        raise ValueError("expected landmarks with eyes and mouth apart, got points that span no area")
    half_x = across / length * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    half_y = _quarter_turn(half_x)
    centre = eye_centre + eye_to_mouth * 0.1
    step = 2 / crop_size
    return np.stack([half_x * step, half_y * step, centre - half_x - half_y], axis=1)


def face_scale(transform: Float[np.ndarray, "2 3"]) -> float:
    """Photo pixels per crop pixel; above 1 the face is larger in the photo than in the crop."""
    return scale_of(transform)


def extract_crop(
    photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"], crop_size: int
) -> Float32[np.ndarray, "3 {crop_size} {crop_size}"]:
    """Cut the aligned face out of the photo in one anti-aliased resampling.

    Only the pixels under the crop are touched. Where the crop reaches over the photo's border, the photo is mirrored.

    Args:
        photo: Upright RGB.
        transform: Crop pixel to photo pixel, as `crop_transform` gives it.
        crop_size: Side of the crop in pixels.

    Returns:
        RGB in [-1, 1].
    """
    pixels = resample(photo, transform, crop_size, crop_size)
    pixels /= np.float32(127.5)
    pixels -= np.float32(1)
    return np.ascontiguousarray(pixels.clip(-1, 1, out=pixels).transpose(2, 0, 1))


def _anchors(face: Face) -> tuple[Float[np.ndarray, "2"], ...]:
    """Left eye, right eye, left and right mouth corner."""
    points = face.landmarks.astype(np.float64)
    if face.scheme == "68":
        return points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[48], points[54]
    return points[0], points[1], points[3], points[4]


def _quarter_turn(vector: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2"]:
    """Turn by 90 degrees, x axis onto y axis: clockwise on the screen, where y points down."""
    return np.array([-vector[1], vector[0]])

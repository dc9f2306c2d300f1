"""What a portrait is made of: one frozen record of numbers, as a vector and as labels."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32

from oodinv.portraits.shape_names import SHAPE_NAMES

Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class PortraitParams:
    """Everything that determines the pixels of a portrait without accessory.

    Convention:
        Angles are degrees. ``yaw`` > 0: the nose points to the viewer's right; ``pitch`` > 0: up; ``roll`` > 0: the
        head leans clockwise for the viewer. Colours are sRGB in [0, 1]. Other numbers run from 0 to 1 unless stated.
    """

    age: float
    """Anny's scale: 2/3 is 25 years, 1 is 90 years."""
    gender: float
    """0 feminine-presenting, 1 masculine-presenting."""
    african: float
    asian: float
    caucasian: float
    weight: float
    muscle: float
    shape: tuple[float, ...]
    """One value in [-1, 1] per name of ``SHAPE_NAMES``."""
    smile: float
    """-0.4 (frown) to 1.1 (broad smile)."""
    jaw_open: float
    brow_up: float
    brow_down: float
    blink: float
    gaze_x: float
    gaze_z: float
    yaw: float
    pitch: float
    roll: float
    skin: Colour
    blush: float
    freckles: float
    gloss: float
    lips: Colour
    tired: float
    """Shadows under the eyes."""
    furrows: float
    """Depth of the wrinkles that come with age; 1 is usual."""
    liner: float
    """Made-up lid edges and longer lashes."""
    brow_density: float
    brow_width: float
    iris: Colour
    hair: Colour
    hair_top: float
    """Height of the hair above the skull, metres."""
    hair_side: float
    """Thickness of the hair at the sides, metres."""
    hair_length: float
    """0: short; above, how far the hair falls (1: over the shoulders)."""
    hair_wave: float
    hair_phase: float
    hair_line: float
    """Shift of the hairline, metres; positive is lower."""
    hair_recede: float
    hair_fringe: float
    hair_curl: float
    """0 straight to 1 tightly coiled."""
    hair_up: float
    """1: long hair is tied to a knot at the back of the crown, 0: it falls."""
    hair_roots: float
    """How much darker than the tips the hair is at its roots."""
    hair_part: float
    """-1 parted on the viewer's left, 1 on the right."""
    bald: float
    """1 shaven or bald, else 0."""
    beard: float
    moustache: float
    beard_length: float
    garment: Colour
    garment_b: Colour
    """Collar and jacket."""
    collar: float
    high_neck: float
    """1: ribbed and up to the chin's shadow."""
    jacket: float
    weave: float
    """How coarse the cloth is."""
    neckline: float
    neckline_vee: float
    key_x: float
    key_z: float
    key: float
    """Strength of the main light."""
    fill: float
    rim: float
    """Strength of the light from behind, on the side away from the main light."""
    warmth: float
    """Tint of the main light: positive is warmer."""
    background_a: Colour
    background_b: Colour
    background_glow: float
    """Strength of a soft pool of light behind the head."""
    background_angle: float
    """Direction of the gradient from ``background_a`` to ``background_b``, radians."""
    offset_x: float
    offset_z: float
    """Shift of the head in the photo, in photo widths."""
    zoom: float


def parameter_names() -> tuple[str, ...]:
    """Names of the entries of ``to_vector``, in order."""
    names: list[str] = []
    for field in fields(PortraitParams):
        if field.name == "shape":
            names += [f"shape.{name}" for name in SHAPE_NAMES]
        elif field.type is Colour:
            names += [f"{field.name}.{channel}" for channel in "rgb"]
        elif field.name == "background_angle":
            names += ["background_cos", "background_sin"]
        elif field.name == "hair_phase":
            names += ["hair_phase_cos", "hair_phase_sin"]
        else:
            names.append(field.name)
    return tuple(names)


def to_vector(params: PortraitParams) -> Float32[np.ndarray, " parameters"]:
    """Flatten a portrait's parameters; angles that wrap around become cosine and sine.

    Returns:
        As many numbers as ``parameter_names()``, in that order.
    """
    values: list[float] = []
    for field in fields(PortraitParams):
        value = getattr(params, field.name)
        if field.name == "background_angle":
            values += [np.cos(value), np.sin(value)]
        elif field.name == "hair_phase":
            values += [np.cos(2 * np.pi * value), np.sin(2 * np.pi * value)]
        elif isinstance(value, tuple):
            values += value
        else:
            values.append(value)
    return np.array(values, dtype=np.float32)


def labels(params: PortraitParams) -> Mapping[str, float]:
    """What a person would say of the portrait, in numbers.

    Returns:
        ``age`` in years; ``gender`` (0 feminine-, 1 masculine-presenting); ``smile`` (-0.4 frown … 1.1 broad);
        ``mouth_open`` (0 … 0.6); ``yaw``, ``pitch``, ``roll`` in degrees (yaw > 0: to the viewer's right, pitch > 0:
        up, roll > 0: clockwise for the viewer); ``skin_lightness`` and ``hair_lightness`` (Rec. 709 luma, 0 … 1);
        ``beard`` and ``hair_length`` (0 … 1).
    """
    return {
        "age": age_in_years(params.age),
        "gender": params.gender,
        "smile": params.smile,
        "mouth_open": params.jaw_open,
        "yaw": params.yaw,
        "pitch": params.pitch,
        "roll": params.roll,
        "skin_lightness": _luma(params.skin),
        "hair_lightness": _luma(params.hair),
        "beard": params.beard,
        "hair_length": params.hair_length,
    }


def age_in_years(age: float) -> float:
    """Years of Anny's age scale: its anchors child, young and old read as 12, 25 and 90 years."""
    return float(np.interp(age, [1 / 3, 2 / 3, 1.0], [12.0, 25.0, 90.0]))


def _luma(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]

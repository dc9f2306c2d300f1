"""How a seed draws a portrait.

The attributes people edit (age, gender presentation, smile, mouth, head pose) are drawn independently of each
other, so that a direction found from these labels moves one of them and not its usual companions. Hair and beard
may depend on gender presentation, grey hair on age: that is what these attributes look like.

Which seeds belong to which split, `recipe.SPLIT_SEEDS` says.
"""

import numpy as np

from oodinv.portraits.params import Colour, PortraitParams
from oodinv.portraits.shape_names import SHAPE_NAMES

_DARK, _BROWN, _BLOND, _RED, _GREY = (
    np.array(colour)
    for colour in (
        (0.12, 0.10, 0.09),
        (0.29, 0.20, 0.14),
        (0.66, 0.52, 0.35),
        (0.46, 0.24, 0.13),
        (0.66, 0.65, 0.64),
    )
)
_IRISES = np.array([(0.11, 0.07, 0.05), (0.24, 0.14, 0.07), (0.36, 0.27, 0.15), (0.33, 0.40, 0.28), (0.34, 0.45, 0.55)])
_SKINS = np.array([(0.40, 0.265, 0.195), (0.78, 0.605, 0.485), (0.82, 0.645, 0.555)])  # african, asian, caucasian


def sample_params(seed: int) -> PortraitParams:
    """Draw the portrait of a seed.

    Args:
        seed: Any non-negative integer; the same seed always gives the same portrait.

    Returns:
        The parameters, drawn from a generator of their own.

    Raises:
        ValueError: The seed is negative.
    """
    if seed < 0:
        raise ValueError(f"a portrait's seed must be 0 or more, got {seed}")
    rng = np.random.default_rng([seed, 0])
    gender = float(np.clip(rng.beta(0.7, 0.7), 0, 1))
    age = float(rng.uniform(0.60, 0.95))
    ethnicity = rng.dirichlet([0.5, 0.5, 0.6])
    drawn: dict[str, float | tuple[float, ...]] = {
        "age": age,
        "gender": gender,
        "african": float(ethnicity[0]),
        "asian": float(ethnicity[1]),
        "caucasian": float(ethnicity[2]),
        "weight": float(rng.uniform(0.25, 0.85)),
        "muscle": float(rng.uniform(0.3, 0.7)),
        "shape": _sample_shape(rng),
    }
    drawn |= _sample_expression_and_pose(rng)
    drawn |= _sample_face_colours(rng, ethnicity, gender, age)
    drawn |= _sample_hair(rng, ethnicity, gender, age)
    drawn |= _sample_surroundings(rng)
    return PortraitParams(**drawn)  # type: ignore[arg-type]


def _sample_shape(rng: np.random.Generator) -> tuple[float, ...]:
    values = np.clip(rng.normal(0, 0.26, len(SHAPE_NAMES)), -1, 1) * (rng.random(len(SHAPE_NAMES)) < 0.4)
    return tuple(float(value) for value in values)


def _sample_expression_and_pose(rng: np.random.Generator) -> dict[str, float]:
    return {
        "smile": float(np.clip(rng.normal(0.32, 0.30), -0.3, 0.95)),
        "jaw_open": float(np.clip(rng.normal(0.0, 0.15), 0, 0.45)),
        "brow_up": float(np.clip(rng.normal(0.0, 0.22), 0, 0.6)),
        "brow_down": float(np.clip(rng.normal(-0.08, 0.2), 0, 0.5)),
        "blink": float(np.clip(rng.normal(-0.05, 0.12), 0, 0.4)),
        "gaze_x": float(np.clip(rng.normal(0, 0.11), -0.35, 0.35)),
        "gaze_z": float(np.clip(rng.normal(0, 0.04), -0.12, 0.12)),
        "yaw": float(np.clip(rng.normal(0, 15), -35, 35)),
        "pitch": float(np.clip(rng.normal(0, 6), -15, 15)),
        "roll": float(np.clip(rng.normal(0, 4), -12, 12)),
    }


def _sample_face_colours(
    rng: np.random.Generator, ethnicity: np.ndarray, gender: float, age: float
) -> dict[str, float | Colour]:
    skin = np.clip(ethnicity @ _SKINS * rng.uniform(0.90, 1.07) + rng.normal(0, 0.008, 3), 0.08, 0.9)
    makeup = rng.random() * (rng.random() < 0.5) if gender < 0.45 else 0.0
    natural = skin * rng.uniform([0.86, 0.66, 0.66], [0.95, 0.76, 0.78])
    painted = np.array([0.58, 0.17, 0.20]) + rng.normal(0, 0.05, 3)
    iris = _IRISES[_choose(rng, (0.1, 0.25, 0.2, 0.2, 0.25) if ethnicity[2] > 0.5 else (0.55, 0.35, 0.1, 0.0, 0.0))]
    years = (age - 0.6) / 0.35
    return {
        "skin": _colour(skin),
        "blush": float(rng.uniform(0, 1)),
        "freckles": float(max(0.0, rng.normal(-0.2, 0.5))) * float(ethnicity[2] > 0.4),
        "gloss": float(rng.uniform(0.01, 0.10)),
        "lips": _colour(natural * (1 - 0.55 * makeup) + painted * 0.55 * makeup),
        "tired": float(np.clip(rng.normal(0.15 + 0.3 * years, 0.2), 0, 1)),
        "furrows": float(rng.uniform(0.5, 1.3)),
        "liner": float(np.clip(makeup + rng.normal(0, 0.1), 0, 1)) if gender < 0.45 else 0.0,
        "brow_density": float(rng.uniform(0.55, 1.0) * (1 - 0.25 * years)),
        "brow_width": float(rng.uniform(0.75, 1.1) + 0.25 * gender),
        "iris": _colour(iris * rng.uniform(0.8, 1.2)),
    }


def _sample_hair(
    rng: np.random.Generator, ethnicity: np.ndarray, gender: float, age: float
) -> dict[str, float | Colour]:
    fair = _choose(rng, (0.22, 0.42, 0.26, 0.10) if ethnicity[2] > 0.45 else (0.80, 0.20, 0.0, 0.0))
    grey = float(np.clip((age - 0.72) / 0.2, 0, 1) * rng.random() ** 0.7)
    hair = np.array((_DARK, _BROWN, _BLOND, _RED)[fair]) * rng.uniform(0.8, 1.2) * (1 - grey) + _GREY * grey
    masculine = gender > 0.55
    bald = masculine and rng.random() < 0.10 + 0.10 * (age > 0.75)
    long = (not bald) and rng.random() < (0.10 if masculine else 0.80)
    bearded = gender > 0.6 and rng.random() < 0.5
    coiled = rng.random() < 0.75 * ethnicity[0]
    curl = rng.uniform(0.5, 1.0) if coiled else max(0.0, rng.normal(-0.05, 0.22))
    tied = long and rng.random() < 0.25
    return {
        "hair": _colour(np.clip(hair + rng.normal(0, 0.010, 3), 0.04, 0.9)),
        "hair_top": float(rng.uniform(0.008, 0.032)),
        "hair_side": float(rng.uniform(0.003, 0.013) if masculine else rng.uniform(0.007, 0.02)),
        "hair_length": float(rng.uniform(0.25, 1.0)) if long else 0.0,
        "hair_wave": float(np.clip(rng.normal(0.3, 0.4), 0, 1.3)),
        "hair_phase": float(rng.uniform(0, 1)),
        "hair_line": float(rng.uniform(0.004, 0.018)),
        "hair_recede": float(max(0.0, rng.normal(0.1 + 0.5 * (age > 0.75), 0.35))) if masculine else 0.0,
        "hair_fringe": float(rng.uniform(0.4, 1)) if not tied and rng.random() < (0.12 if masculine else 0.3) else 0.0,
        "hair_curl": float(np.clip(curl, 0, 1)),
        "hair_up": float(tied),
        "hair_roots": float(np.clip(rng.normal(0.3, 0.3), 0, 1)),
        "hair_part": float(rng.uniform(-1, 1)),
        "bald": float(bald),
        "beard": float(rng.uniform(0.25, 1)) if bearded else 0.0,
        "moustache": float(rng.uniform(0.3, 1)) if bearded and rng.random() < 0.85 else 0.0,
        "beard_length": float(rng.uniform(0, 1)) if bearded and rng.random() < 0.45 else 0.0,
    }


def _sample_surroundings(rng: np.random.Generator) -> dict[str, float | Colour]:
    wall = _muted(rng, 0.10, 0.88, 0.07)
    shade = rng.uniform(0.55, 0.95)
    jacket = rng.random() < 0.3
    collar = float(rng.uniform(0.7, 1.0)) if rng.random() < (0.7 if jacket else 0.3) else 0.0
    return {
        "garment": _colour(_muted(rng, 0.08, 0.88, 0.10)),
        "garment_b": _colour(_muted(rng, 0.06, 0.60, 0.07)),
        "collar": collar,
        "high_neck": float(rng.uniform(0.7, 1.0)) if collar == 0 and rng.random() < 0.2 else 0.0,
        "jacket": float(rng.uniform(0.8, 1.0)) if jacket else 0.0,
        "weave": float(rng.uniform(0.1, 1)),
        "neckline": float(rng.uniform(0, 1)),
        "neckline_vee": float(rng.uniform(0, 1) * (rng.random() < 0.5)),
        "key_x": float(rng.uniform(-1.2, 1.2)),
        "key_z": float(rng.uniform(-0.05, 1.2)),
        "key": float(rng.uniform(0.45, 0.78)),
        "fill": float(rng.uniform(0.22, 0.52)),
        "rim": float(np.clip(rng.normal(0.25, 0.4), 0, 1.1)),
        "warmth": float(np.clip(rng.normal(0.02, 0.05), -0.12, 0.14)),
        "background_a": _colour(wall),
        "background_b": _colour(np.clip(wall * shade + rng.normal(0, 0.025, 3), 0.02, 0.95)),
        "background_glow": float(np.clip(rng.normal(0.3, 0.35), 0, 1)),
        "background_angle": float(rng.uniform(0, 2 * np.pi)),
        "offset_x": float(np.clip(rng.normal(0, 0.025), -0.06, 0.06)),
        "offset_z": float(np.clip(rng.normal(0, 0.02), -0.05, 0.05)),
        "zoom": float(rng.uniform(0.93, 1.07)),
    }


def _muted(rng: np.random.Generator, low: float, high: float, colourful: float) -> np.ndarray:
    """A colour with little saturation: what walls and everyday clothes have."""
    grey, warm, green = rng.uniform(low, high), rng.normal(0, colourful), rng.normal(0, 0.25 * colourful)
    return np.clip(grey + np.array([warm, green, -warm]) * (0.35 + grey), 0.03, 0.95)


def _choose(rng: np.random.Generator, chances: tuple[float, ...]) -> int:
    return int(rng.choice(len(chances), p=np.array(chances) / sum(chances)))


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(value) for value in np.clip(values, 0, 1))
    return red, green, blue

"""The example photos that ship with the project: `python -m oodinv.portraits.examples FOLDER`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from oodinv.imaging import encode_photo
from oodinv.portraits.backgrounds import BackgroundKind
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.scenes import group_photo, still_life
from oodinv.portraits.studio import Studio

FIRST_SEED = 9_000_000
"""Seeds from here are for examples; nothing is trained or tested on them."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example portrait."""

    name: str
    number: int
    """Seed, counted from `FIRST_SEED`."""
    size: int
    """Side in pixels."""
    accessory: str | None = None
    """A design of `accessories`."""
    background: BackgroundKind = "busy"
    format: Literal["jpeg", "png", "webp"] = "jpeg"


PORTRAITS = (
    Example(name="portrait-01", number=0, size=640, background="plain"),
    Example(name="portrait-02", number=1, size=512),
    Example(name="portrait-03", number=17, size=720),
    Example(name="portrait-04", number=24, size=480, background="plain", format="png"),
    Example(name="portrait-05", number=41, size=600),
    Example(name="glasses", number=26, size=560, accessory="glasses/oval"),
    Example(name="sunglasses", number=5, size=640, accessory="sunglasses/rectangle"),
    Example(name="hat", number=3, size=900, accessory="hat/fedora"),
    Example(name="hat-plain", number=35, size=512, accessory="hat/bowler", background="plain", format="webp"),
    Example(name="beanie", number=30, size=600, accessory="beanie/bobble"),
    Example(name="hand", number=15, size=560, accessory="hand/open"),
    Example(name="face-mask", number=36, size=640, accessory="face_mask/surgical"),
)
GROUP = (32, 1, 33)
STILL_LIFE = 2


def write_examples(folder: Path) -> list[Path]:
    """Write the example photos: portraits, one group of three, one still life without a face, one real photo.

    Args:
        folder: Made if absent; files of the same name are replaced by the same bytes.

    Returns:
        The files written.

    Raises:
        ImportError: scikit-image, which ships the real photo, is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio()
    written = []
    for example in PORTRAITS:
        seed = FIRST_SEED + example.number
        portrait = studio.render(
            sample_params(seed),
            accessory=example.accessory,
            background=example.background,
            size=example.size,
            seed=seed,
        )
        suffix = {"jpeg": "jpg"}.get(example.format, example.format)
        path = folder / f"{example.name}.{suffix}"
        path.write_bytes(encode_photo(portrait.photo, format=example.format, quality=92))
        written.append(path)
    others = {
        "group-of-three": group_photo(studio, [FIRST_SEED + number for number in GROUP]),
        "no-face": still_life(studio, FIRST_SEED + STILL_LIFE),
        "astronaut-eileen-collins": _astronaut(),
    }
    for name, photo in others.items():
        path = folder / f"{name}.jpg"
        path.write_bytes(encode_photo(photo, format="jpeg", quality=92))
        written.append(path)
    return written


def _astronaut() -> np.ndarray:
    """NASA's portrait of Eileen Collins (public domain), as shipped by scikit-image."""
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError("the astronaut's photo ships with scikit-image: run `pip install scikit-image`") from error
    return data.astronaut()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m oodinv.portraits.examples FOLDER")
    for file in write_examples(Path(sys.argv[1])):
        print(file)

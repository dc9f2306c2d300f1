"""The pictures of docs/manipulation.md, drawn with the embedded bundle: `python docs/pictures/manipulation.py`.

Run it again when the bundle has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from oodinv import Inverter
from oodinv.edits import parse_edit
from oodinv.engine.photo import ComposeMode, InvertedFace, edit_face, invert_face, mask_pixels, put_back
from oodinv.faces import crop_transform, load_detector
from oodinv.faces.align import extract_crop
from oodinv.imaging.convert import to_uint8
from oodinv.imaging.decode import decode_photo
from oodinv.models.decomposition import Composition

HERE = Path(__file__).parent
PHOTOS = HERE.parents[1] / "examples" / "photos"
TILE = 170
LABEL = 18


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A photo with its largest face, inverted."""

    photo: np.ndarray
    face: InvertedFace


def subject(inverter: Inverter, name: str) -> Subject:
    """Read and invert one of the example photos."""
    photo = decode_photo((PHOTOS / name).read_bytes())
    found = load_detector("centerface").detect(photo)[0]
    return Subject(photo=photo, face=invert_face(inverter, photo, crop_transform(found, inverter.resolution)))


def edited(
    inverter: Inverter,
    who: Subject,
    text: str,
    *,
    composition: Composition | None = None,
    mode: ComposeMode | None = None,
    keep: np.ndarray | None = None,
) -> np.ndarray:
    """The photo with the edit as `oodinv edit` makes it, or with another mode, or with more kept."""
    face = edit_face(inverter, who.face, parse_edit(text), composition)
    if mode is not None:
        face = replace(face, compose=mode)
    if keep is not None:
        face = replace(face, ood_mask=np.maximum(face.ood_mask, keep))
    return put_back(who.photo, who.face.transform, face)


def tile(who: Subject, picture: np.ndarray, side: int = TILE) -> Image.Image:
    """The face's crop out of a version of the photo."""
    inverse_scale = np.diag([who.face.inversion.crop.shape[-1] / side] * 2)
    transform = np.column_stack([who.face.transform[:, :2] @ inverse_scale, who.face.transform[:, 2]])
    crop = extract_crop(picture, transform, side)
    return Image.fromarray(to_uint8(crop))


def sheet(rows: Sequence[Sequence[tuple[str, Image.Image]]], name: str) -> None:
    """Labelled tiles in rows."""
    side = rows[0][0][1].width
    drawn = Image.new("RGB", (max(map(len, rows)) * (side + 4), len(rows) * (side + LABEL)), "white")
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(12)
    for y, row in enumerate(rows):
        for x, (label, picture) in enumerate(row):
            pen.text((x * (side + 4) + 2, y * (side + LABEL) + 2), label, fill="black", font=font)
            place = (x * (side + 4), y * (side + LABEL) + LABEL)
            drawn.paste(picture.resize((side, side)), place)
            pen.rectangle([*place, place[0] + side - 1, place[1] + side - 1], outline="grey")
    drawn.save(HERE / name, quality=74)


def sweeps(inverter: Inverter) -> None:
    """Every attribute from -4 to 4."""
    who = subject(inverter, "portrait-02.jpg")
    rows = []
    for name in inverter.bundle.spec.edits:
        composition: Composition | None = "follow" if name == "yaw" else None
        rows.append(
            [
                (
                    f"{name} {strength:+g}",
                    tile(who, edited(inverter, who, f"{name}={strength}", composition=composition)),
                )
                for strength in (-4, -2, -1, 0, 1, 2, 4)
            ]
        )
    sheet(rows, "manipulation_sweeps.jpg")


def combinations(inverter: Inverter) -> None:
    """Two attributes at once."""
    who = subject(inverter, "portrait-05.jpg")
    sheet(
        [
            [
                (f"age {age:+g}, smile {smile:+g}", tile(who, edited(inverter, who, f"age={age},smile={smile}")))
                for smile in (-2, 0, 2)
            ]
            for age in (-2, 0, 2)
        ],
        "manipulation_combinations.jpg",
    )


def compositions(inverter: Inverter) -> None:
    """What is kept, and where, when a head turns and when it smiles."""
    rows = []
    all_of_them: tuple[Composition, ...] = ("reuse", "repredict", "minimum", "follow")
    for name, text in (("glasses.jpg", "yaw=1.5"), ("portrait-02.jpg", "yaw=-1.5"), ("portrait-05.jpg", "smile=2")):
        who = subject(inverter, name)
        row = [("photo", tile(who, who.photo))]
        for composition in all_of_them:
            row.append((f"{text} {composition}", tile(who, edited(inverter, who, text, composition=composition))))
        rows.append(row)
    sheet(rows, "manipulation_compositions.jpg")


def modes(inverter: Inverter) -> None:
    """`replace` against `residual` on faces with more pixels in the photo than in the crop."""
    rows = []
    for name in ("portrait-01.jpg", "astronaut-eileen-collins.jpg"):
        who = subject(inverter, name)
        rows.append(
            [
                ("photo", tile(who, who.photo, 240)),
                ("age +2, replace", tile(who, edited(inverter, who, "age=2", mode="replace"), 240)),
                ("age +2, residual", tile(who, edited(inverter, who, "age=2", mode="residual"), 240)),
            ]
        )
    sheet(rows, "manipulation_modes.jpg")


def masks(inverter: Inverter) -> None:
    """The learned mask, and one made by hand."""
    who = subject(inverter, "portrait-04.png")
    size = inverter.resolution
    painted = Image.new("L", (size, size), 255)
    ImageDraw.Draw(painted).ellipse([size * 0.3, size * 0.6, size * 0.7, size * 0.85], fill=0)
    keep = np.asarray(painted, dtype=np.float32)[None] / np.float32(255)
    learned = mask_pixels(edit_face(inverter, who.face, ()))
    sheet(
        [
            [
                ("photo", tile(who, who.photo)),
                ("learned mask", Image.fromarray(learned).convert("RGB")),
                ("smile +2, gender -2", tile(who, edited(inverter, who, "smile=2,gender=-2"))),
                ("mask by hand", painted.convert("RGB")),
                ("the same edit", tile(who, edited(inverter, who, "smile=2,gender=-2", keep=keep))),
            ]
        ],
        "manipulation_masks.jpg",
    )


def real(inverter: Inverter) -> None:
    """What the model makes of a person, a hand and a face mask."""
    rows = []
    for name in ("astronaut-eileen-collins.jpg", "hand.jpg", "face-mask.jpg"):
        who = subject(inverter, name)
        inversion = who.face.inversion
        parts = {
            "plain": inverter.synthesise(inversion.w_plus)[0],
            "generated": inversion.generated[0],
            "reconstruction": inversion.reconstruction[0],
        }
        row = [("photo", tile(who, who.photo))]
        row += [(label, Image.fromarray(to_uint8(part.numpy()))) for label, part in parts.items()]
        row.insert(3, ("mask", Image.fromarray(mask_pixels(edit_face(inverter, who.face, ()))).convert("RGB")))
        row += [(text, tile(who, edited(inverter, who, text))) for text in ("smile=+2", "age=+2")]
        rows.append([(label, picture.resize((TILE, TILE))) for label, picture in row])
    sheet(rows, "manipulation_limits.jpg")


def main() -> None:
    """Draw all of them."""
    torch.set_num_threads(1)
    inverter = Inverter.from_bundle("embedded")
    for draw in (sweeps, combinations, compositions, modes, masks, real):
        draw(inverter)


if __name__ == "__main__":
    main()

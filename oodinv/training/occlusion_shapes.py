"""Outlines of synthetic occlusions: what is held before, put on or written over a face.

Every shape is a function of two coordinate maps and gives a distance map per image: negative inside, positive outside,
about in units of half the crop's width. The crop is aligned, so eyes, mouth and forehead are where they always are;
half of the shapes that are worn are placed there, the other half anywhere.
"""

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.training.dice import Dice

Maps = Float[Tensor, "count size size"]
EYES, MOUTH, CHIN, FOREHEAD = (0.27, -0.06), 0.43, 0.75, -0.45
"""Half the distance of the eyes and their height, heights of mouth, chin and forehead in an aligned crop, [-1, 1]."""


def grid(size: int, device: torch.device) -> tuple[Float[Tensor, "1 {size} {size}"], Float[Tensor, "1 {size} {size}"]]:
    """Pixel centres from left to right and from top to bottom, in [-1, 1]."""
    axis = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x[None], y[None]


def ellipse(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Filled, of any proportion and angle."""
    u, v, a, b = _placed(x, y, dice, n)
    return (_norm(u / a, v / b) - 1) * torch.minimum(a, b)


def box(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Rectangle with more or less rounded corners: phones, signs, cards."""
    u, v, a, b = _placed(x, y, dice, n)
    return _box(u, v, a, b, dice.uniform(n, 0, 0.8) * torch.minimum(a, b))


def polygon(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Convex, of three to five straight sides at uneven angles."""
    u, v, a, b = _placed(x, y, dice, n)
    sides = 3 + dice.choice(n, 3).view(n, 1, 1).to(x.device)
    distance = torch.full_like(u, -9.0)
    for side in range(5):
        angle = (side + dice.uniform(n, -0.3, 0.3)) / sides * 6.2832
        edge = u / a * angle.cos() + v / b * angle.sin() - dice.uniform(n, 0.5, 1)
        distance = torch.where(side < sides, torch.maximum(distance, edge), distance)
    return distance * torch.minimum(a, b)


def blob(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """A closed wavy line: cloth, leaves, splashes, tufts."""
    u, v, a, b = _placed(x, y, dice, n)
    phi, wobble = torch.atan2(v, u), torch.ones_like(u)
    for waves in (2, 3, 5, 8):
        wobble = wobble + dice.uniform(n, 0, 0.8) / waves * torch.sin(waves * phi + dice.uniform(n, 0, 6.2832))
    return (_norm(u / a, v / b) - wobble) * torch.minimum(a, b)


def ring(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Hoops, handles, necklaces."""
    u, v, a, b = _placed(x, y, dice, n)
    least = torch.minimum(a, b)
    return ((_norm(u / a, v / b) - 1) * least).abs() - dice.uniform(n, 0.02, 0.3) * least


def band(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """From edge to edge, at any height and any tilt: scarves, rims, bars."""
    tilt = dice.uniform(n, -0.25, 0.25) + 1.5708 * dice.chance(n, 0.25)
    across = -x * tilt.sin() + y * tilt.cos()
    bend = dice.uniform(n, -0.25, 0.25) * (x * tilt.cos() + y * tilt.sin()).square()
    return (across + bend - dice.uniform(n, -0.9, 0.9)).abs() - dice.log_uniform(n, 0.04, 0.4)


def strap(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """One or two thin arcs: cords, headphone bands, strands, scratches, cables."""
    distance = torch.full((n, *x.shape[1:]), 9.0, device=x.device)
    for more in (1.0, 0.5):
        radius, width = dice.log_uniform(n, 0.25, 6), dice.log_uniform(n, 0.008, 0.06)
        through_x, through_y, angle = dice.uniform(n, -0.6, 0.6), dice.uniform(n, -0.7, 0.7), dice.uniform(n, 0, 6.2832)
        centre_x, centre_y = through_x + radius * angle.cos(), through_y + radius * angle.sin()
        arc = (_norm(x - centre_x, y - centre_y) - radius).abs() - width
        distance = torch.minimum(distance, arc + 9 * (1 - dice.chance(n, more)))
    return distance


def spectacles(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Two frames, a bridge and temples about the eyes; filled for every third pair."""
    tilt = dice.uniform(n, -0.12, 0.12)
    u = x - dice.uniform(n, -0.08, 0.08)
    v = y - EYES[1] - dice.uniform(n, -0.06, 0.1) + tilt * u
    a, b, frame = dice.uniform(n, 0.15, 0.26), dice.uniform(n, 0.1, 0.24), dice.log_uniform(n, 0.01, 0.05)
    lens = _box(
        u.abs() - EYES[0] - dice.uniform(n, -0.04, 0.06), v, a, b, torch.minimum(a, b) * dice.uniform(n, 0.2, 1)
    )
    outline = torch.where(dice.chance(n, 0.35) > 0, lens, lens.abs()) - frame
    bridge = torch.maximum((v + 0.03).abs() - frame, u.abs() - EYES[0])
    temples = torch.maximum((v + 0.05).abs() - 1.2 * frame, EYES[0] + a - u.abs())
    temples = torch.maximum(temples, u.abs() - dice.uniform(n, 0.55, 0.75))
    outer = torch.maximum(bridge, EYES[0] - a - u.abs())
    return torch.minimum(torch.minimum(outline, outer), temples)


def headgear(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """A dome over the forehead, some with a brim: caps, hats, hoods."""
    u = x - dice.uniform(n, -0.1, 0.1)
    rim = (
        FOREHEAD
        + dice.uniform(n, -0.2, 0.25)
        + dice.uniform(n, -0.3, 0.3) * u.square()
        + dice.uniform(n, -0.1, 0.1) * u
    )
    width, height = dice.uniform(n, 0.5, 0.85), dice.uniform(n, 0.4, 1.2)
    dome = torch.maximum((_norm(u / width, (y - rim).clamp(max=0) / height) - 1) * 0.5, y - rim)
    brim = torch.maximum((y - rim).abs() - dice.uniform(n, 0.02, 0.09), u.abs() - width * dice.uniform(n, 1, 1.35))
    return torch.minimum(dome, brim + 9 * (1 - dice.chance(n, 0.5)))


def mouth_cover(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """A cloth over nose, mouth and chin or parts of it, with straps or without."""
    u = x - dice.uniform(n, -0.15, 0.15)
    top, bottom = MOUTH - dice.uniform(n, 0.1, 0.4), CHIN + dice.uniform(n, -0.2, 0.3)
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    width = dice.uniform(n, 0.25, 0.55)
    v = y - middle - dice.uniform(n, -0.3, 0.3) * u.square()
    cloth = _box(u, v, width, half, torch.minimum(width, half) * dice.uniform(n, 0.1, 0.9))
    strap_line = (v.abs() - half * (1 - 0.8 * (u.abs() - width).clamp(0, 1) * dice.uniform(n, 0, 2))).abs() - 0.015
    straps = torch.maximum(strap_line, width - u.abs())
    return torch.minimum(cloth, straps + 9 * (1 - dice.chance(n, 0.5)))


def hand(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """A palm with some of four fingers, coming from anywhere."""
    u, v, _, _ = _placed(x, y, dice, n)
    palm_a, palm_b = dice.uniform(n, 0.12, 0.25), dice.uniform(n, 0.12, 0.25)
    parts = [(_norm(u / palm_a, v / palm_b) - 1) * torch.minimum(palm_a, palm_b)]
    fan, first = dice.uniform(n, 0.15, 0.45), dice.uniform(n, -1.6, -1.2)
    for finger in range(4):
        angle = first + fan * (finger - 1.5) + dice.uniform(n, -0.08, 0.08)
        length, width = dice.uniform(n, 0.2, 0.6), dice.uniform(n, 0.035, 0.07)
        along = (u * angle.cos() + v * angle.sin()).clamp(min=0)
        along = torch.minimum(along, length)
        capsule = _norm(u - along * angle.cos(), v - along * angle.sin()) - width
        parts.append(capsule + 9 * (1 - dice.chance(n, 0.8)))
    wrist = torch.maximum(u.abs() - palm_a * dice.uniform(n, 0.5, 0.9), -v)
    return reduce(torch.minimum, [*parts, wrist])


def cups(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """A pair at the sides, or one of them, with a bow over the head: earphones, buns, earrings, puffs."""
    u, v = x - dice.uniform(n, -0.12, 0.12), y - dice.uniform(n, -0.2, 0.4)
    a, b, out = dice.uniform(n, 0.05, 0.22), dice.uniform(n, 0.05, 0.3), dice.uniform(n, 0.45, 0.75)
    # A side switched off lies far away.
    side = torch.where(dice.chance(n, 0.25) > 0, u, u.abs())
    pads = (_norm((side - out) / a, v / b) - 1) * torch.minimum(a, b)
    height = dice.uniform(n, 0.6, 1.0)
    bow = (_norm(u / out, v.clamp(max=0) / height) - 1) * out
    bow = torch.maximum(bow.abs() - dice.log_uniform(n, 0.015, 0.09), v)
    return torch.minimum(pads, bow + 9 * (1 - dice.chance(n, 0.6)))


def writing(x: Tensor, y: Tensor, dice: Dice, n: int) -> Maps:
    """Lines of made-up letters at any angle and size: captions, watermarks, logos."""
    letters, lines = 9, 2
    strokes = (dice.map(n, 1, 5 * letters)[:, :, : 7 * lines] < 0.55).float()
    # Strokes go on to the right more often than chance would have it, as in letters.
    strokes = torch.maximum(strokes, strokes.roll(1, dims=-1) * (dice.map(n, 1, 5 * letters)[:, :, : 7 * lines] < 0.3))
    column = torch.arange(5 * letters, device=x.device) % 5 == 4
    row = torch.arange(7 * lines, device=x.device) % 7 >= 5
    page = F.pad(strokes * ~(column | row[:, None]), (2, 2, 2, 2))
    u, v = _turned(x - dice.uniform(n, -0.4, 0.4), y - dice.uniform(n, -0.8, 0.8), dice.uniform(n, -0.5, 0.5))
    width = dice.log_uniform(n, 0.5, 1.5)
    where = torch.stack([u / width, v / (width * 7 * lines / (5 * letters))], dim=-1)
    drawn = F.grid_sample(page, where, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]
    # Between the strokes it is far outside, however soft the border is drawn.
    return torch.where(drawn < 0.2, 9.0, (0.5 - drawn) * width / letters)


SHAPES: tuple[Callable[[Tensor, Tensor, Dice, int], Tensor], ...] = (
    ellipse, box, polygon, blob, ring, band, strap, spectacles, headgear, mouth_cover, hand, cups, writing,
)  # fmt: skip


def _placed(x: Tensor, y: Tensor, dice: Dice, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Coordinates about a random centre over head or shoulders, turned; and two half axes."""
    u, v = _turned(x - dice.uniform(n, -0.65, 0.65), y - dice.uniform(n, -0.7, 0.8), dice.uniform(n, 0, 3.1416))
    return u, v, dice.log_uniform(n, 0.06, 0.5), dice.log_uniform(n, 0.06, 0.5)


def _turned(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()


def _norm(u: Tensor, v: Tensor) -> Tensor:
    return (u.square() + v.square()).sqrt()


def _box(u: Tensor, v: Tensor, a: Tensor, b: Tensor, corner: Tensor) -> Tensor:
    """Signed distance to a rectangle with corners of a radius."""
    du, dv = u.abs() - a + corner, v.abs() - b + corner
    return _norm(F.relu(du), F.relu(dv)) + torch.maximum(du, dv).clamp(max=0) - corner

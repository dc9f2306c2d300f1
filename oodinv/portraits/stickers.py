"""Paint and stickers on the skin of the face: textures that no generator of faces draws there."""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from oodinv.portraits.heads import Head
from oodinv.portraits.shapes import random_colour
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator
Form = Literal["bars", "plaster", "spots", "star", "half", "heart"]


def face_paint(head: Head, rng: Rng, *, form: Form = "bars") -> list[Surface]:
    """Bars on the cheeks, a plaster, spots, a star, half a face in colour, or a heart."""
    anchors = head.anchors
    side = int(rng.integers(2))
    eye, mouth = anchors.eyes[side], anchors.mouth
    cheek = np.array([eye[0] * 1.15, eye[2] * 0.45 + mouth[2] * 0.55])
    colour, other = random_colour(rng, 0.05, 0.97), random_colour(rng, 0.05, 0.97)
    if form == "half":
        middle = np.array([np.sign(eye[0]) * 0.034, (eye[2] + mouth[2]) / 2 + 0.006])
        return [_patch(head, middle, 0.06, form, colour, other, rng)]
    if form == "bars":
        both = [np.array([sign * abs(cheek[0]), cheek[1]]) for sign in (-1, 1)]
        return [_patch(head, place, 0.022, form, colour, other, rng) for place in both]
    places = {
        "forehead": np.array([rng.uniform(-0.02, 0.02), eye[2] + 0.04]),
        "nose": np.array([0.0, anchors.nose_tip[2] + 0.014]),
        "cheek": cheek,
    }
    where = places[("nose", "cheek", "forehead")[rng.integers(3)] if form == "plaster" else "cheek"]
    if form == "spots":
        where = np.array([0.0, (eye[2] + mouth[2]) / 2])
    half = {"plaster": 0.021, "spots": 0.055, "star": 0.024, "heart": 0.021}[form] * rng.uniform(0.85, 1.15)
    return [_patch(head, where, half, form, colour, other, rng)]


def _patch(
    head: Head, place: np.ndarray, half: float, form: Form, colour: np.ndarray, other: np.ndarray, rng: Rng
) -> Surface:
    """A piece of skin-tight sheet, cut to a form; ``place`` is x and z of its middle, metres."""
    count = int(np.clip(half / 0.0008, 36, 120))
    axis = np.linspace(-1, 1, count)
    u, v = np.meshgrid(axis, axis)
    x, z = place[0] + half * u, place[1] + half * v
    points = np.stack([x, _depth(head, x, z), z], axis=-1)
    turn = rng.uniform(-0.5, 0.5) if form in ("plaster", "star") else 0.0
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    inside, share = _form(form, u, v, x, rng)
    flat = sheet(points, colour * (1 - share[..., None]) + other * share[..., None], gloss=0.12)
    kept = inside.ravel()[flat.faces].all(1)
    # Where the surface turns away from the viewer, the sheet would stand off like a wing.
    steep = np.ptp(flat.vertices[flat.faces][:, :, 1], axis=1) > 0.004
    return replace(flat, faces=flat.faces[kept & ~steep]).compact()


def _form(form: Form, u: np.ndarray, v: np.ndarray, x: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Where there is paint, and the share of the second colour."""
    none = np.zeros_like(u)
    angle, radius = np.arctan2(u, v), np.hypot(u, v)
    if form == "bars":
        return (np.abs((v * 2.2 + 0.5) % 1 - 0.5) < 0.27) & (np.abs(u) < 0.95) & (np.abs(v) < 0.95), (v > 0) * 1.0
    if form == "plaster":
        shape = (np.abs(u) / 0.98) ** 6 + (np.abs(v) / 0.36) ** 6 < 1
        return shape, (np.abs(u) < 0.33) * 0.6
    if form == "spots":
        inside = np.zeros_like(u, dtype=bool)
        for _ in range(14):
            at = rng.uniform([-0.95, -0.8], [0.95, 0.6])
            inside |= np.hypot(u - at[0], v - at[1]) < rng.uniform(0.05, 0.1)
        return inside & (radius < 1), none
    if form == "star":
        wedge = np.abs((angle / (2 * np.pi / 5)) % 1 - 0.5) * 2
        return radius < 0.42 + 0.55 * np.clip(wedge, 0, 1) ** 1.6, (radius < 0.3) * 1.0
    if form == "heart":
        a, b = u * 1.15, v * 1.15 - 0.1
        return (a * a + b * b - 0.6) ** 3 - 1.4 * a * a * b * b * b < 0, none
    wave = 0.004 * np.sin(v * 9)
    return (np.abs(x) > 0.001 + np.maximum(wave, -0.0005)) & (np.sign(x) == np.sign(x.mean())) & (radius < 0.98), (
        np.sin(v * 11 + np.sin(u * 7)) > 0.2
    ) * 0.8


def _depth(head: Head, x: np.ndarray, z: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """Y of the skin, a little before it: weighted mean of the nearest vertices that look at the viewer."""
    skin = head.skin
    front = (skin.normals[:, 1] < -0.1) & (skin.vertices[:, 1] < head.anchors.eyes[:, 1].mean() + 0.03)
    near = (
        front
        & (np.abs(skin.vertices[:, 0] - x.mean()) < np.ptp(x))
        & (np.abs(skin.vertices[:, 2] - z.mean()) < np.ptp(z))
    )
    vertices = skin.vertices[near]
    distance = (x.reshape(-1, 1) - vertices[:, 0]) ** 2 + (z.reshape(-1, 1) - vertices[:, 2]) ** 2
    nearest = np.argpartition(distance, 6, axis=1)[:, :6]
    weight = 1 / (np.take_along_axis(distance, nearest, axis=1) + 1e-7)
    depth = (weight * vertices[nearest, 1]).sum(1) / weight.sum(1)
    return depth.reshape(x.shape) - 0.0016

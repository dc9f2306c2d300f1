"""Things held before a face: balls, sticks, hands, microphones."""

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.shapes import ellipsoid, random_colour, tube
from oodinv.portraits.surfaces import Surface, rotation_y, rotation_z

Rng = np.random.Generator


def blob(head: Head, rng: Rng) -> list[Surface]:
    """A ball, a bottle-like thing or a hand before the face."""
    anchors = head.anchors
    target = anchors.mouth * 0.5 + anchors.eyes.mean(0) * 0.5
    place = target + np.array([rng.uniform(-0.07, 0.07), 0, rng.uniform(-0.08, 0.05)])
    place[1] = anchors.nose_tip[1] - rng.uniform(0.015, 0.05)
    turn = rotation_y(rng.uniform(-1.5, 1.5)) @ rotation_z(rng.uniform(-0.5, 0.5))
    form = rng.random()
    if form < 0.4:
        radii = rng.uniform(0.010, 0.034, 3)
        gloss = rng.uniform(0.02, 0.5)
        return [ellipsoid(place, radii, random_colour(rng, 0.02, 0.97), rotation=turn, gloss=gloss)]
    if form < 0.6:
        line = (np.linspace(-1, 1, 12)[:, None] * np.array([[0, 0, rng.uniform(0.03, 0.09)]])) @ turn.T + place
        return [tube(line, rng.uniform(0.006, 0.022), random_colour(rng, 0.02, 0.97), sides=20)]
    return _hand(head, place, turn, rng)


def _hand(head: Head, place: np.ndarray, turn: np.ndarray, rng: Rng) -> list[Surface]:
    skin = np.clip(np.array(head.surfaces[0].colours).mean(0) * rng.uniform(0.7, 1.25), 0.05, 0.95)
    glove = random_colour(rng, 0.05, 0.95)
    colour = skin if rng.random() < 0.75 else glove
    size = rng.uniform(0.8, 1.05)
    palm = ellipsoid(place, np.array([0.034, 0.012, 0.038]) * size, colour, rotation=turn, gloss=0.06)
    surfaces = [palm]
    spread = rng.uniform(0.05, 0.3)
    for number in range(4):
        lean = (number - 1.5) * spread
        root = np.array([(number - 1.5) * 0.016, 0, 0.022])
        length = (0.062, 0.070, 0.068, 0.054)[number] * rng.uniform(0.75, 1.05)
        share = np.linspace(0, 1, 8)[:, None]
        bend = np.array([0, rng.uniform(-0.012, 0.02), 0]) * share**2
        line = (root + share * length * np.array([np.sin(lean), 0, np.cos(lean)]) + bend) * size
        surfaces.append(tube(line @ turn.T + place, 0.0078 * size, colour, sides=12, gloss=0.06))
        surfaces.append(ellipsoid(line[-1] @ turn.T + place, np.full(3, 0.0078 * size), colour, rings=10, gloss=0.06))
    wrist = np.linspace(0, -1, 6)[:, None] * np.array([[rng.uniform(-0.05, 0.05), 0.0, 0.16]]) * size
    sleeve = colour if rng.random() < 0.5 else random_colour(rng, 0.05, 0.9)
    surfaces.append(
        tube((wrist + np.array([0, 0, -0.02])) @ turn.T + place, 0.024 * size, sleeve, sides=16, gloss=0.05)
    )
    return surfaces


def microphone(head: Head, rng: Rng) -> list[Surface]:
    """A ball with a stick before the mouth."""
    mouth = head.anchors.mouth
    ball = rng.uniform(0.016, 0.027)
    place = mouth + np.array([rng.uniform(-0.035, 0.035), -ball - rng.uniform(0.006, 0.03), rng.uniform(-0.035, 0.0)])
    down = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.1), -1.0])
    down /= np.linalg.norm(down)
    line = place + np.linspace(ball * 0.8, 0.2, 8)[:, None] * down
    grille = np.array([1.0, 1.0, 1.0]) * rng.uniform(0.05, 0.7)
    return [
        ellipsoid(place, np.full(3, ball), grille, gloss=0.3),
        tube(line, ball * rng.uniform(0.5, 0.75), random_colour(rng, 0.02, 0.5), sides=16),
    ]

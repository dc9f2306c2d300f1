"""Small curves and noise that paint and hair are made with."""

import numpy as np


def blend(colours: np.ndarray, paint: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Lay paint over colours; weight 1 covers."""
    weight = np.clip(weight, 0, 1)[:, None]
    return colours * (1 - weight) + paint * weight


def step(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Smooth rise from 0 at `low` to 1 at `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def bump(distance: np.ndarray, width: float) -> np.ndarray:
    """1 at distance 0, falling off like a bell."""
    return np.exp(-((distance / width) ** 2))


def lattice_noise(points: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Smooth noise in [0, 1] at points in space; ``size`` is the distance of independent values."""
    scaled = points / size
    cell = np.floor(scaled).astype(np.int64)
    inside = scaled - cell
    inside = inside * inside * (3 - 2 * inside)
    table = np.random.default_rng(seed).random(4096)
    total = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (cell + corner).T
        weight = np.prod(np.where(corner, inside, 1 - inside), axis=1)
        total += weight * table[(x * 73856093 ^ y * 19349663 ^ z * 83492791) % 4096]
    return total

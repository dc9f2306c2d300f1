"""Weights, a photo and a direction as pure functions of names: what a checkpoint of a gigabyte would be needed for.

A tensor is filled from Philox's raw 64-bit stream, which NumPy guarantees to stay, keyed by the CRC-32 of the tensor's
name, and scaled by what the tensor is. The same name gives the same bits on every machine.
"""

import zlib

import numpy as np


def uniform(name, count):
    """`count` float64 numbers of mean 0 and variance 1, uniform in [-sqrt(3), sqrt(3))."""
    raw = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(count)
    values = (raw >> np.uint64(11)).astype(np.float64)
    values *= 2.0**-53
    values -= 0.5
    values *= np.sqrt(12.0)
    return values


def fill(name, shape):
    """The float32 value of a tensor of the released state dict; None for what is a constant of the architecture."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("kernel", "num_batches_tracked"):
        return None
    if name == "delta_latent":
        return np.zeros(shape, np.float32)
    values = uniform(name, int(np.prod(shape))).reshape(shape)
    return _scaled(name, leaf, values).astype(np.float32)


def _scaled(name, leaf, values):
    if name == "avg_latent":
        return 0.2 * values
    if leaf == "running_var":
        return 1.0 + 0.2 * values
    if leaf == "running_mean":
        return 0.1 * values
    if name.endswith(("noise.weight", "noiseInj.weight")):
        return 0.05 * (1.0 + 0.2 * values)
    if name.endswith("modulation.bias"):
        return 1.0 + 0.1 * values
    if leaf == "bias":
        return 0.1 * values
    if name.startswith("generator.style."):
        return values / 0.01  # the mapping's learning rate multiplier
    if name.startswith("generator."):
        return values  # equalised learning rate: stored with variance 1
    if values.ndim == 1:
        return 0.6 + 0.1 * values  # gains of norms and slopes of PReLUs, which their names do not tell apart
    if name.startswith("encoder.styles.") and name.endswith("linear.weight"):
        return 0.5 * values  # equalised learning rate
    return values / np.sqrt(np.prod(values.shape[1:]))


def photo(size):
    """A smooth blob like a face before waves, and a stripe with hard edges: float32 [3, size, size] in [-1, 1]."""
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    blob = np.exp(-(((x / 0.55) ** 2 + (y / 0.7) ** 2) ** 2))
    red = 0.8 * blob - 0.3 + 0.15 * np.sin(9 * x)
    green = 0.6 * blob - 0.2 + 0.15 * np.cos(7 * y)
    blue = 0.5 * blob + 0.2 * x * y
    stripe = (np.abs(y - 0.35 * x + 0.3) < 0.08).astype(np.float64)
    colour = np.array([0.9, -0.6, 0.3])[:, None, None]
    image = np.stack([red, green, blue]) * (1 - stripe) + colour * stripe
    return np.clip(image, -1, 1).astype(np.float32)


def direction():
    """The edit: float32 [512], of length 2."""
    values = uniform("direction", 512)
    return (2 * values / np.linalg.norm(values)).astype(np.float32)

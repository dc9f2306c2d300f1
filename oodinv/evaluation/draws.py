"""What a generator is asked to draw, and which pictures that is compared with."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.training.data import Dataset

FROM_PORTRAITS = (
    "latents of parameters of the dataset's other samples, compared with every second one without accessory"
)
NORMAL = "normal latents"


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Latents and the pictures beside them."""

    latents: Float[Tensor, "count z_dim"] = field(repr=False)
    real: np.ndarray = field(repr=False)
    """Samples of the dataset without accessory, as many."""
    told: str
    """For the protocol."""


def plan_draws(inverter: Inverter, data: Dataset, count: int, *, seed: int) -> Draws:
    """Latents as the generator knows them.

    A generator of portraits' parameters has latents that are anything but normal: hair is of one style or of another.
    Where the bundle tells how parameters become latents and the dataset has parameters, every second
    sample without accessory is compared with, and the parameters of all others are drawn: no picture is compared with
    its own drawing.

    Args:
        inverter: Of the bundle.
        data: Samples with an accessory are drawn like others, and not compared with.
        count: At most so many.
        seed: Of what is drawn at random.
    """
    bare = np.array([number for number, kind in enumerate(data.kinds) if not kind], dtype=np.int64)
    rng, z_dim = torch.Generator().manual_seed(seed), inverter.bundle.spec.generator.z_dim
    if inverter.latents is None or data.params is None or data.params.shape[1] != z_dim:
        real = bare[:count]
        return Draws(latents=torch.randn(len(real), z_dim, generator=rng), real=real, told=NORMAL)
    compared = bare[::2]
    drawn = np.setdiff1d(np.arange(len(data)), compared)
    most = min(count, len(drawn), len(compared))
    latents = inverter.latents(data.params[drawn[:most]])
    noise = inverter.latents.noise * torch.randn(latents.shape, generator=rng)
    return Draws(latents=latents + noise, real=compared[:most], told=FROM_PORTRAITS)

"""The mean style: read in every shape it is published in, compared between files, or computed."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.formats.parts import EncoderPart, GeneratorPart
from oodinv.bundles.formats.table import check_numbers
from oodinv.bundles.spec import BundleError
from oodinv.models.stylegan2 import Mapping as MappingNetwork

NUM_SAMPLES, SEED = 10_000, 0
_SAME = 1e-3


def one_style(average: object, style_dim: int, what: str) -> Float[Tensor, " style_dim"]:
    """One style from (512,), (1, 512), (18, 512) or (1, 18, 512), all rows being equal.

    Raises:
        BundleError: Another shape, or rows that differ.
    """
    shape = tuple(average.shape) if isinstance(average, Tensor) else type(average).__name__
    if not isinstance(average, Tensor) or not shape or shape[-1] != style_dim or average.ndim > 3:
        raise BundleError(
            f"{what}: latent_avg must be one style of {style_dim} numbers, or the same for every layer, got {shape}"
        )
    check_numbers(average, f"{what}: latent_avg")
    rows = average.detach().float().reshape(-1, style_dim)
    if not len(rows) or (rows - rows[0]).abs().max() > 1e-5:
        raise BundleError(f"{what}: latent_avg must be the same style for every layer, its {len(rows)} rows differ")
    return rows[0].clone()


def agreed(averages: Sequence[tuple[str, Tensor]]) -> Float[Tensor, " style_dim"] | None:
    """The mean style several files agree on; the first one's.

    Args:
        averages: With the file each is from.

    Raises:
        BundleError: Two of them differ.
    """
    for name, other in averages[1:]:
        first_name, first = averages[0]
        if first.shape != other.shape:
            raise BundleError(f"latent_avg of {first_name} has {len(first)} numbers, that of {name} {len(other)}")
        difference = float((first - other).abs().max())
        if difference > _SAME:
            raise BundleError(
                f"latent_avg of {first_name} and {name} differ by {difference:.3g}, expected at most {_SAME:g}: an "
                "encoder gives offsets from the mean of the generator it was trained with, these are two models"
            )
    return averages[0][1] if averages else None


def mean_of_samples(generator: GeneratorPart) -> Float[Tensor, " style_dim"]:
    """The mean of `NUM_SAMPLES` mapped latents drawn from a fixed seed.

    Raises:
        BundleError: The file brought no mapping.
    """
    if not generator.config.num_mapping_layers:
        raise BundleError(
            "no file holds latent_avg, and the generator has no mapping layers to compute it from: import the "
            "generator from a file that has one of them"
        )
    return sample_w(generator, NUM_SAMPLES, SEED).mean(dim=0)


@torch.no_grad()
def sample_w(generator: GeneratorPart, num: int, seed: int) -> Float[Tensor, "num style_dim"]:
    """Styles of seeded random latents, without truncation."""
    mapping = MappingNetwork(generator.config)
    prefix = "mapping."
    mapping.load_state_dict(
        {k.removeprefix(prefix): v.float() for k, v in generator.weights.items() if k.startswith(prefix)}
    )
    z = torch.randn(num, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    return torch.cat([mapping(part) for part in z.split(1000)])


def fold(encoder: EncoderPart, latent_avg: Float[Tensor, " style_dim"]) -> dict[str, Tensor]:
    """Weights of an encoder that gives styles themselves, changed so that it gives offsets from `latent_avg`.

    A head ends in x W + b, and e4e adds the first head's code to every other: subtracting `latent_avg` from b of the
    first head there, of every head elsewhere, subtracts it from every row exactly once.
    """
    weights = dict(encoder.weights)
    progressive = getattr(encoder.config, "progressive", False)
    for head in range(1 if progressive else encoder.config.num_layers):
        name = f"heads.{head}.linear.bias"
        weights[name] = weights[name].float() - latent_avg
    return weights

"""How near what the generator draws comes to the dataset."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.draws import plan_draws
from oodinv.evaluation.groups import ALL
from oodinv.evaluation.judges import Judges
from oodinv.evaluation.pictures import as_written, is_finite
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.tally import Quantity, Tally
from oodinv.metrics.frechet import frechet_distance
from oodinv.metrics.kernel_distance import kernel_distance
from oodinv.metrics.sliced_wasserstein import COARSEST, Descriptors, sliced_wasserstein
from oodinv.training.data import Dataset

SECTION = "generator"
SWD_PICTURES = 2_000
"""Of each set at most: their patches stay in memory until the end, 75 KiB for each picture and level."""


def measure_generator(
    inverter: Inverter,
    data: Dataset,
    judges: Judges,
    settings: Settings,
    tally: Tally,
    on_batch: Callable[[int], None],
) -> None:
    """Sliced Wasserstein distance, and FID and KID where Inception is given, to crops without accessory.

    Args:
        inverter: Of the bundle; its generator has its mapping.
        data: Crops; see `plan_draws` for which.
        judges: Inception or none.
        settings: `generator_count`, `batch` and `seed` count; the sliced Wasserstein distance is that of the first
            `SWD_PICTURES` at most. A picture that is not finite is replaced by grey, which
            costs distance, and counted as failed.
        tally: Where the numbers go.
        on_batch: Called with the pictures done.
    """
    draws = plan_draws(inverter, data, settings.generator_count, seed=settings.seed)
    count, size = len(draws.real), inverter.resolution
    drawn, real = Descriptors(seed=settings.seed), Descriptors(seed=settings.seed)
    features: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, count, settings.batch):
        stop = min(start + settings.batch, count)
        raw = inverter.draw(draws.latents[start:stop])
        failed = ~is_finite(raw).numpy()
        tally.add(
            Quantity(SECTION, "whole", "drawn", "finite"),
            np.where(failed, np.nan, 1.0),
            {ALL: np.ones(len(failed), dtype=bool)},
            failed,
        )
        pictures, crops = as_written(raw), data.crops(draws.real[start:stop], size)
        pictures[torch.from_numpy(failed)] = 0
        if size >= COARSEST and start < SWD_PICTURES:
            drawn.add(pictures[: SWD_PICTURES - start])
            real.add(crops[: SWD_PICTURES - start])
        if judges.inception is not None:
            device = next(judges.inception.parameters()).device
            for kept, images in zip(features, (pictures, crops), strict=True):
                kept.append(judges.inception(images.to(device)).cpu())
        on_batch(stop - start)
    if count and size >= COARSEST:
        distances = sliced_wasserstein(drawn, real, seed=settings.seed)
        for side, value in distances.items():
            tally.set(Quantity(SECTION, str(side), "drawn", "swd"), ALL, value, drawn.count)
        mean = float(np.mean(list(distances.values())))
        tally.set(Quantity(SECTION, "whole", "drawn", "swd"), ALL, mean, drawn.count)
    if judges.inception is not None and count > 1:
        a, b = (torch.cat(kept) for kept in features)
        tally.set(Quantity(SECTION, "whole", "drawn", "fid"), ALL, frechet_distance(a, b), count)
        tally.set(Quantity(SECTION, "whole", "drawn", "kid"), ALL, kernel_distance(a, b), count)


def uncurated(
    inverter: Inverter, count: int, *, seed: int, data: Dataset | None = None, batch: int = 8
) -> Float[Tensor, "count 3 size size"]:
    """The first pictures as they come.

    Args:
        inverter: Of the bundle.
        count: At most so many.
        seed: Of what is drawn at random.
        data: Where latents come from, see `plan_draws`; None = normal ones.
        batch: Drawn at once.
    """
    if data is None:
        z_dim = inverter.bundle.spec.generator.z_dim
        latents = torch.randn(count, z_dim, generator=torch.Generator().manual_seed(seed))
    else:
        latents = plan_draws(inverter, data, count, seed=seed).latents
    return torch.cat([torch.nan_to_num(as_written(inverter.draw(part))) for part in latents.split(batch)])

"""How well crops are reconstructed: the encoder alone, aligned without blending, and in full."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.judges import Judges
from oodinv.evaluation.pictures import as_written, capped_psnr, is_finite
from oodinv.evaluation.tally import Quantity
from oodinv.metrics.ssim import largest_num_scales, ssim_by_region
from oodinv.models.inversion import Inversion

METHODS = ("plain", "aligned", "full")
SECTION = "reconstruction"
_SMALLEST = 11
"""Sides below it hold no window of SSIM."""

Measured = dict[Quantity, tuple[np.ndarray, np.ndarray]]
"""By quantity: values `[batch]` (NaN = does not exist) and which samples failed, `[batch]` of bool."""


def outputs(inversion: Inversion) -> dict[str, Float[Tensor, "batch 3 size size"]]:
    """What is measured, by method."""
    assert inversion.plain is not None
    return {"plain": inversion.plain, "aligned": inversion.generated, "full": inversion.reconstruction}


def measure_reconstruction(
    crop: Float[Tensor, "batch 3 size size"],
    inversion: Inversion,
    regions: dict[str, Float[Tensor, "batch 1 size size"]],
    inverter: Inverter,
    judges: Judges,
) -> Measured:
    """PSNR, SSIM and MS-SSIM of each method on each region; LPIPS, identity and faces found where they can be judged.

    Args:
        crop: The truth.
        inversion: Of it.
        regions: Weights by name; the whole crop is always measured.
        inverter: For its identity network.
        judges: What else there is. A face that is not found counts where the photo's own one is.
    """
    measured: Measured = {}
    there = judges.faces(crop)
    scales = largest_num_scales(crop.shape[-1])
    for method, raw in outputs(inversion).items():
        image, failed = as_written(raw), ~is_finite(raw).numpy()
        weights: dict[str, Tensor | None] = {"whole": None, **regions}
        structure = ssim_by_region(image, crop, weights, num_scales=scales) if crop.shape[-1] >= _SMALLEST else {}
        for region, weight in weights.items():
            values = {"psnr": capped_psnr(image, crop, weight)}
            if region in structure:
                values |= {"ssim": structure[region].single, "ms_ssim": structure[region].multi}
            for metric, value in values.items():
                # Infinity is clamped to a colour when it is written, and would give a number like any other.
                measured[Quantity(SECTION, region, method, metric)] = (np.where(failed, np.nan, value.numpy()), failed)
        if judges.lpips is not None:
            device = judges.lpips.mean.device
            distance = judges.lpips(image.to(device), crop.to(device)).cpu().numpy()
            measured[Quantity(SECTION, "whole", method, "lpips")] = (np.where(failed, np.nan, distance), failed)
        found = judges.faces(image)
        if found is not None and there is not None:
            # Where the photo's own face is not found either, a missing one says nothing.
            failed = failed | (there & ~found)
            measured[Quantity(SECTION, "whole", method, "face_found")] = (
                np.where(there, found.astype(float), np.nan), failed,
            )  # fmt: skip
        kept = identity_kept(inverter, crop, image, failed)
        if kept is not None:
            measured[Quantity(SECTION, "whole", method, "identity")] = (kept, failed)
    return measured


def identity_kept(
    inverter: Inverter,
    crop: Float[Tensor, "batch 3 size size"],
    image: Float[Tensor, "batch 3 size size"],
    failed: np.ndarray,
) -> np.ndarray | None:
    """Cosine of both faces' directions; a picture that failed counts as 0. None without an identity network."""
    cosine = inverter.similarity(crop, torch.nan_to_num(image))
    return None if cosine is None else np.where(failed, 0.0, cosine.float().cpu().numpy())

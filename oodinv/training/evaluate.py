"""Measure a model on a held-out dataset whose true masks are known."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.metrics.auroc import auroc
from oodinv.metrics.iou import iou
from oodinv.metrics.psnr import psnr
from oodinv.models.inversion import InversionModel
from oodinv.training.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over a dataset. PSNR in dB; areas as shares of the crop. `plain` is the encoder without decomposition."""

    count: int
    mask_area: float
    """Always read beside the reconstruction: a mask of 1 everywhere reconstructs perfectly."""
    true_area: float
    accessory_area: float
    psnr_plain: float
    psnr_plain_person: float
    psnr_blended: float
    psnr_plain_ood: float
    psnr_blended_ood: float
    psnr_plain_face: float
    """On the person outside accessories."""
    psnr_aligned_face: float
    """The aligned generator image before blending."""
    psnr_blended_face: float
    auroc_accessory: float
    """Mask, accessory against the rest of the silhouette."""
    auroc_accessory_baseline: float
    """The same for the plain encoder's error, blurred 5x5."""
    auroc_ood: float
    """Accessory or background against the rest."""
    auroc_ood_baseline: float
    iou_ood: float


@torch.inference_mode()
def evaluate(model: InversionModel, data: Dataset, batch: int = 20) -> Scores:
    """Run the model over a dataset in evaluation mode, noise fixed."""
    model.eval()
    size = model.generator.config.resolution
    columns: dict[str, list[Tensor]] = {}
    pixels: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(data), batch):
        index = np.arange(start, min(start + batch, len(data)))
        crop = data.crops(index, size)
        accessory, person = data.accessory(index, size), data.silhouette(index, size)
        truth = data.out_of_domain(index, size)
        result = model.invert(crop, plain=True)
        assert result.plain is not None
        face = person * (1 - accessory)
        values = {
            "mask_area": result.ood_mask.mean(dim=(1, 2, 3)),
            "true_area": truth.mean(dim=(1, 2, 3)),
            "accessory_area": accessory.mean(dim=(1, 2, 3)),
            "psnr_plain": psnr(result.plain, crop),
            "psnr_plain_person": psnr(result.plain, crop, person),
            "psnr_blended": psnr(result.reconstruction, crop),
            "psnr_plain_ood": psnr(result.plain, crop, truth),
            "psnr_blended_ood": psnr(result.reconstruction, crop, truth),
            "psnr_plain_face": psnr(result.plain, crop, face),
            "psnr_aligned_face": psnr(result.generated, crop, face),
            "psnr_blended_face": psnr(result.reconstruction, crop, face),
            "iou_ood": iou(result.ood_mask, truth),
        }
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
        flat = {
            "mask": result.ood_mask,
            "error": blurred_error(result.plain, crop),
            "accessory": accessory,
            "person": person,
            "truth": truth,
        }
        for name, value in flat.items():
            pixels.setdefault(name, []).append(value.numpy().ravel())
    means = {name: float(torch.cat(parts).nanmean()) for name, parts in columns.items()}
    joined = {name: np.concatenate(parts) for name, parts in pixels.items()}
    inside = joined["person"] > 0.5
    covered, truth_px = joined["accessory"] > 0.5, joined["truth"] > 0.5
    return Scores(
        count=len(data),
        auroc_accessory=auroc(joined["mask"][inside], covered[inside]),
        auroc_accessory_baseline=auroc(joined["error"][inside], covered[inside]),
        auroc_ood=auroc(joined["mask"], truth_px),
        auroc_ood_baseline=auroc(joined["error"], truth_px),
        **means,
    )


def blurred_error(
    plain: Float[Tensor, "batch 3 size size"], crop: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, "batch 1 size size"]:
    """The baseline mask: mean absolute error over colours, blurred by a 5x5 box."""
    error = (plain.clamp(-1, 1) - crop).abs().mean(dim=1, keepdim=True)
    return F.avg_pool2d(F.pad(error, (2, 2, 2, 2), mode="replicate"), 5, stride=1)

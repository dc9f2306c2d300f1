"""How well the mask finds what is out of domain, beside baselines.

Truth is two masks, accessory and background; out of domain is their union. `accessory` looks at pixels inside the
silhouette only (the person covered by something or not), `union` at all pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.evaluation.reconstruction import Measured
from oodinv.evaluation.tally import Groups, Quantity, Tally
from oodinv.metrics.binned_auroc import BinnedAuroc, auroc_per_image
from oodinv.metrics.blurred_error import blurred_error
from oodinv.metrics.calibration import Calibration, Reliability
from oodinv.metrics.iou import iou

SECTION = "mask"
MASK, ERROR, EVERYTHING, BACKGROUND = "mask", "error map", "everything", "true background"
METHODS = (MASK, ERROR, EVERYTHING, BACKGROUND)
_THRESHOLDS = np.round(np.arange(0.02, 0.42, 0.02), 2)
"""Of the error map, which has no natural one: the best of these is reported, chosen on the test samples themselves."""


@dataclass
class _Pool:
    area: BinnedAuroc = field(default_factory=BinnedAuroc)
    calibration: Calibration = field(default_factory=Calibration)
    failed: int = 0


@dataclass
class MaskMeasure:
    """Gathers pixels of all samples by region, method and group."""

    _pools: dict[tuple[str, str, str], _Pool] = field(default_factory=dict)

    def add(
        self,
        crop: Float[Tensor, "batch 3 size size"],
        mask: Float[Tensor, "batch 1 size size"],
        plain: Float[Tensor, "batch 3 size size"],
        accessory: Float[Tensor, "batch 1 size size"],
        silhouette: Float[Tensor, "batch 1 size size"],
        groups: Groups,
    ) -> Measured:
        """Measure a batch; per sample AUROC and IoU come back, the pooled numbers with `finish`."""
        failed = ~(torch.isfinite(mask).flatten(1).all(1) & torch.isfinite(plain).flatten(1).all(1)).numpy()
        scores = {
            MASK: mask.clamp(0, 1),
            ERROR: blurred_error(plain, crop) / 2,
            EVERYTHING: torch.ones_like(mask),
            BACKGROUND: 1 - silhouette,
        }
        inside, covered = (silhouette > 0.5)[:, 0].numpy(), (accessory > 0.5)[:, 0].numpy()
        union = (torch.maximum(accessory, 1 - silhouette) > 0.5)[:, 0].numpy()
        measured: Measured = {}
        for region, truth, counted in (
            ("accessory", covered, inside),
            ("union", union, np.ones_like(inside)),
        ):
            for method, tensor in scores.items():
                score = tensor[:, 0].numpy()
                values = {"auroc_image": auroc_per_image(np.nan_to_num(score), truth, counted)}
                if method == ERROR:
                    values |= {f"iou@{t:g}": iou(2 * score > t, truth, counted) for t in _THRESHOLDS}
                else:
                    values["iou"] = iou(score > 0.5, truth, counted)
                bad = failed if method in (MASK, ERROR) else np.zeros_like(failed)
                for metric, value in values.items():
                    measured[Quantity(SECTION, region, method, metric)] = (np.where(bad, np.nan, value), bad)
                self._pool(region, method, score, truth, counted, bad, groups)
        area = np.where(failed, np.nan, mask.mean(dim=(1, 2, 3)).numpy())
        measured[Quantity(SECTION, "whole", MASK, "area")] = (area, failed)
        true_area = torch.maximum(accessory, 1 - silhouette).mean(dim=(1, 2, 3)).numpy()
        measured[Quantity(SECTION, "whole", "truth", "area")] = (true_area, np.zeros_like(failed))
        return measured

    def _pool(
        self, region: str, method: str, score: np.ndarray, truth: np.ndarray, counted: np.ndarray, bad: np.ndarray,
        groups: Groups,
    ) -> None:  # fmt: skip
        for group, members in groups.items():
            pool = self._pools.setdefault((region, method, group), _Pool())
            where = counted & (members & ~bad)[:, None, None]
            pool.area.add(score[where], truth[where])
            if method != ERROR:
                pool.calibration.add(score[where], truth[where])
            pool.failed += int((members & bad).sum())

    def finish(self, tally: Tally, sizes: Mapping[str, int]) -> None:
        """Put AUROC over all pixels and calibration into the table; `sizes` = samples by group."""
        for (region, method, group), pool in self._pools.items():
            count = sizes[group] - pool.failed
            tally.set(Quantity(SECTION, region, method, "auroc"), group, pool.area.value(), count, pool.failed)
            if method != ERROR:
                ece = pool.calibration.reliability().ece
                tally.set(Quantity(SECTION, region, method, "ece"), group, ece, count, pool.failed)
        tally.keep_best("iou")

    def reliability(self, region: str, group: str = "all") -> Reliability | None:
        """The mask's reliability curve."""
        pool = self._pools.get((region, MASK, group))
        return None if pool is None else pool.calibration.reliability()

"""One evaluation: every dataset through every bundle."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.attributes import EditedAttributes, measure_attributes
from oodinv.evaluation.counterfactuals import Change, measure_edits, readable_changes, usable_scales
from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.generator import measure_generator
from oodinv.evaluation.groups import accessory_groups
from oodinv.evaluation.judges import Judges
from oodinv.evaluation.machine import machine_facts, without_tf32
from oodinv.evaluation.masks import MaskMeasure
from oodinv.evaluation.protocol import Protocol, make_protocol
from oodinv.evaluation.reconstruction import measure_reconstruction
from oodinv.evaluation.samples import SampleFile
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.tally import Quantity, Row, Tally
from oodinv.metrics.calibration import Reliability
from oodinv.training.data import Dataset

OnProgress = Callable[[int, int, str], None]
"""Called with (done, of how many, what is done now)."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What is not a number: by dataset and bundle."""

    reliability: dict[str, Reliability] = field(default_factory=dict)
    """By region."""
    attributes: EditedAttributes | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that was measured."""

    protocol: Protocol
    rows: Sequence[Row]
    curves: Mapping[tuple[str, str], Curves]
    """By (dataset, bundle)."""
    absent: Sequence[str]
    """What was not measured, and why; a sentence each."""

    @property
    def datasets(self) -> list[str]:
        """Names in the order given."""
        return list(dict.fromkeys(dataset for dataset, _ in self.curves))

    @property
    def bundles(self) -> list[str]:
        """Names in the order given."""
        return list(dict.fromkeys(bundle for _, bundle in self.curves))

    def value(self, dataset: str, bundle: str, quantity: Quantity, group: str = "all") -> Row | None:
        """One row of the table; None where it is absent."""
        return self._index.get((dataset, bundle, quantity, group))

    @cached_property
    def _index(self) -> Mapping[tuple[str, str, Quantity, str], Row]:
        return {(row.dataset, row.bundle, row.quantity, row.group): row for row in self.rows}


def evaluate(
    bundles: Mapping[str, Inverter],
    datasets: Mapping[str, Dataset],
    settings: Settings | None = None,
    *,
    judges: Judges | None = None,
    folders: Mapping[str, Path] | None = None,
    samples: Path | None = None,
    progress: bool = False,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Measure bundles on datasets, batch by batch; memory does not grow with the dataset.

    Distances between sets keep what they compare: patches of `generator.SWD_PICTURES` pictures at most, and 16 KiB of
    Inception's features for each picture drawn and each crop.

    Args:
        bundles: By the names of their columns; fixed noise.
        datasets: By the names of their tables. Without masks, what needs the truth is absent.
        settings: None = everything, on all samples.
        judges: Optional networks.
        folders: Where datasets lie, for the protocol.
        samples: Folder for a Parquet file of every sample's numbers per dataset and bundle; None = not kept.
        progress: Show a bar on stderr.
        on_progress: Hears after every batch.

    Raises:
        EvaluationError: There is nothing to measure, crops are smaller than a bundle's, or samples cannot be written.
    """
    settings, judges = settings or Settings(), judges or Judges()
    _check(bundles, datasets)
    plans = [
        _Plan(number, dataset, data, bundle, inverter, settings, judges)
        for number, ((dataset, data), (bundle, inverter)) in enumerate(product(datasets.items(), bundles.items()))
    ]
    total = sum(plan.total for plan in plans)
    rows: list[Row] = []
    curves: dict[tuple[str, str], Curves] = {}
    absent: list[str] = []
    with tqdm(total=total, unit="sample", disable=not progress) as bar:
        for plan in plans:

            def done(count: int, plan: _Plan = plan) -> None:
                bar.update(count)
                if on_progress is not None:
                    on_progress(int(bar.n), total, f"{plan.bundle} on {plan.dataset}")

            bar.set_description(f"{plan.bundle} on {plan.dataset}")
            found = plan.measure(samples, done)
            rows += found.rows
            curves[plan.dataset, plan.bundle] = found.curves
            absent += [reason for reason in found.absent if reason not in absent]
    places = folders or {}
    protocol = make_protocol(
        bundles,
        {name: (places.get(name), data) for name, data in datasets.items()},
        settings,
        judges,
        machine_facts(settings.device),
    )
    return Evaluation(protocol=protocol, rows=rows, curves=curves, absent=absent)


def _check(bundles: Mapping[str, Inverter], datasets: Mapping[str, Dataset]) -> None:
    if not bundles or not datasets:
        raise EvaluationError("an evaluation needs at least one bundle and one dataset")
    for name, data in datasets.items():
        if not len(data):
            raise EvaluationError(f"dataset {name} holds no samples")
        for bundle, inverter in bundles.items():
            if data.size < inverter.resolution:
                raise EvaluationError(
                    f"dataset {name} has crops of {data.size} px, bundle {bundle} needs {inverter.resolution}: crops "
                    "are not enlarged; take a dataset with larger ones"
                )


@dataclass(frozen=True, kw_only=True)
class _Found:
    rows: list[Row]
    curves: Curves
    absent: list[str]


class _Plan:
    """One dataset through one bundle: what can be measured, and how much work that is."""

    def __init__(
        self,
        number: int,
        dataset: str,
        data: Dataset,
        bundle: str,
        inverter: Inverter,
        settings: Settings,
        judges: Judges,
    ):
        self.number = number
        self.dataset, self.bundle, self.inverter = dataset, bundle, inverter
        self.settings, self.judges = settings, judges
        count = len(data) if settings.count is None else min(settings.count, len(data))
        self.data = data if count == len(data) else data.subset(np.arange(count))
        self.absent: list[str] = []
        self.changes = self._changes()
        self.draws = self._draws()
        few = min(settings.edit_count, count)
        self.total = sum(
            (
                count if "reconstruction" in settings.parts else 0,
                few if self.changes else 0,
                few if self._edits() else 0,
                self.draws,
            )
        )

    def measure(self, samples: Path | None, done: Callable[[int], None]) -> _Found:
        tally, masks = Tally(), MaskMeasure()
        attributes = None
        with torch.inference_mode(), without_tf32():
            if "reconstruction" in self.settings.parts:
                self._reconstruct(tally, masks, samples, done)
            if self.changes:
                measure_edits(self.inverter, self.data, self.changes, self.settings, tally, done)
            if self._edits():
                attributes = measure_attributes(
                    self.inverter, self.data, self.judges.regressor, self.settings, tally, done
                )
            if self.draws:
                measure_generator(self.inverter, self.data, self.judges, self.settings, tally, done)
        reliability = {region: masks.reliability(region) for region in ("accessory", "union")}
        return _Found(
            rows=list(tally.rows(self.dataset, self.bundle)),
            curves=Curves(
                reliability={region: curve for region, curve in reliability.items() if curve is not None},
                attributes=attributes,
            ),
            absent=self.absent + self._absent_judges(),
        )

    def _reconstruct(self, tally: Tally, masks: MaskMeasure, samples: Path | None, done: Callable[[int], None]) -> None:
        data, size, batch = self.data, self.inverter.resolution, self.settings.batch
        known = data.has_masks
        sizes = {name: int(m.sum()) for name, m in accessory_groups(data.kinds, known=known).items()}
        if not known:
            self.absent.append(f"{self.dataset} has no true masks: regions, mask quality and true areas are absent")
        with SampleFile(samples, self.number, self.dataset, self.bundle) as file:
            for index in _batches(len(data), batch):
                crop = data.crops(index, size)
                begin = time.perf_counter()
                inversion = self.inverter.invert(crop, plain=True)
                mask, plain = inversion.ood_mask.cpu(), inversion.plain
                assert plain is not None
                seconds = (time.perf_counter() - begin) / len(index)
                kinds = [data.kinds[i] for i in index]
                groups = accessory_groups(kinds, known=known)
                regions = {}
                if known:
                    accessory, silhouette = data.accessory(index, size), data.silhouette(index, size)
                    regions = {
                        "ood": torch.maximum(accessory, 1 - silhouette),
                        "face": silhouette * (1 - accessory),
                    }
                measured = measure_reconstruction(crop, inversion, regions, self.inverter, self.judges)
                if known:
                    measured |= masks.add(crop, mask, plain.cpu(), accessory, silhouette, groups)
                else:
                    failed = ~torch.isfinite(mask).flatten(1).all(dim=1).numpy()
                    measured[Quantity("mask", "whole", "mask", "area")] = (mask.mean(dim=(1, 2, 3)).numpy(), failed)
                measured[Quantity("cost", "whole", "inversion and plain picture", "seconds")] = (
                    np.full(len(index), seconds), np.zeros(len(index), dtype=bool),
                )  # fmt: skip
                for quantity, (values, bad) in measured.items():
                    tally.add(quantity, values, groups, bad)
                file.write(index, kinds, data.hashes, measured)
                done(len(index))
        masks.finish(tally, sizes)

    def _edits(self) -> list[str]:
        wanted = "attributes" in self.settings.parts
        judged = self.judges.regressor is not None or self.inverter.bundle.spec.identity is not None
        return sorted(self.inverter.bundle.spec.edits) if wanted and judged else []

    def _changes(self) -> list[Change]:
        if "edits" not in self.settings.parts:
            return []
        names = self.data.counterfactual_names
        if not names:
            self.absent.append(f"{self.dataset} has no counterfactuals: edits are not compared with true ones")
            return []
        changes, others = readable_changes(names, self.inverter.bundle.spec.edits)
        if others:
            self.absent.append(f"{self.bundle} has no edits for the counterfactuals {', '.join(others)}")
        scales = usable_scales(self.settings.scales, self.data.size, self.inverter.resolution)
        missing = [f"{scale}x" for scale in self.settings.scales if scale not in scales]
        if missing:
            self.absent.append(
                f"{self.dataset} holds crops of {self.data.size} px: photos of {', '.join(missing)} the "
                f"{self.inverter.resolution} px of {self.bundle} would have to be invented"
            )
        return changes

    def _draws(self) -> int:
        if "generator" not in self.settings.parts:
            return 0
        if not self.inverter.can_draw:
            self.absent.append(f"{self.bundle} has no mapping: its generator cannot be measured")
            return 0
        bare = sum(not kind for kind in self.data.kinds)
        if not bare:
            self.absent.append(f"{self.dataset} has no crops without accessory: the generator is not compared with it")
        return min(self.settings.generator_count, bare)

    def _absent_judges(self) -> list[str]:
        parts, absent = self.settings.parts, []
        if "reconstruction" in parts and self.judges.lpips is None:
            absent.append("no LPIPS weights were given: LPIPS is absent")
        if "reconstruction" in parts and self.judges.detector is None:
            absent.append("no face detector was asked for: whether faces are still found is not counted")
        if "attributes" in parts and self.judges.regressor is None:
            absent.append("no attribute regressor was given: gain and leakage are absent")
        if {"reconstruction", "attributes"} & set(parts) and self.inverter.bundle.spec.identity is None:
            absent.append(f"{self.bundle} has no identity network: identity is absent")
        if "generator" in parts and self.judges.inception is None:
            absent.append("no Inception weights were given: FID and KID are absent")
        return absent


def _batches(count: int, batch: int) -> Iterator[np.ndarray]:
    for start in range(0, count, batch):
        yield np.arange(start, min(start + batch, count))

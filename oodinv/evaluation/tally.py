"""Means of what is measured per sample, over groups of samples, in constant memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Quantity(NamedTuple):
    """What a number is."""

    section: str
    """`reconstruction`, `mask`, `edit`, `attribute`, `generator` or `cost`."""
    region: str
    """Of the crop: `whole`, `ood`, `face`, `accessory`, `background`, `union`; or an attribute; or a level's side."""
    method: str
    """What was measured: `plain`, `aligned`, `full`, `mask`, a baseline, a composition, …"""
    metric: str
    """`psnr`, `auroc`, …"""


Groups = Mapping[str, np.ndarray]
"""Name to which samples of a batch are in it, `[batch]` of bool."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of the table."""

    dataset: str
    bundle: str
    quantity: Quantity
    group: str
    """`all`, `worn`, `none`, a kind of accessory, or an edit."""
    value: float
    """Over the samples that gave one; NaN = none did."""
    count: int
    """Samples in the mean."""
    failed: int
    """Samples whose picture was not finite, or had no face where one was looked for; not in the mean unless the
    metric has a worst value (identity: 0)."""


@dataclass
class _Cell:
    total: float = 0.0
    count: int = 0
    failed: int = 0


@dataclass
class Tally:
    """Running sums by quantity and group."""

    _cells: dict[tuple[Quantity, str], _Cell] = field(default_factory=dict)

    def add(self, quantity: Quantity, values: np.ndarray, groups: Groups, failed: np.ndarray | None = None) -> None:
        """Count a batch.

        Args:
            quantity: What the numbers are.
            values: One per sample; NaN = the quantity does not exist for it (no accessory to find).
            groups: Which samples count where.
            failed: Samples that gave nothing to measure. Those with a value count all the same.
        """
        failed = np.zeros(len(values), dtype=bool) if failed is None else failed
        has = np.isfinite(values)
        for name, members in groups.items():
            cell = self._cells.setdefault((quantity, name), _Cell())
            cell.total += float(values[has & members].sum())
            cell.count += int((has & members).sum())
            cell.failed += int((failed & members).sum())

    def set(self, quantity: Quantity, group: str, value: float, count: int, failed: int = 0) -> None:
        """Put a number that is not a mean over samples.

        Args:
            quantity: What it is.
            group: Of samples.
            value: NaN = there is none.
            count: Samples it was found from, without the failed ones.
            failed: Samples that gave nothing to find it from.
        """
        there = np.isfinite(value)
        self._cells[quantity, group] = _Cell(
            total=value * count if there else 0.0, count=count if there else 0, failed=failed
        )

    def value(self, quantity: Quantity, group: str = "all") -> float:
        """Mean so far; NaN without any."""
        cell = self._cells.get((quantity, group), _Cell())
        return cell.total / cell.count if cell.count else float("nan")

    def keep_best(self, prefix: str) -> None:
        """Of the metrics `prefix@…`, leave the largest of each quantity and group, under the name `prefix`."""
        best: dict[tuple[Quantity, str], _Cell] = {}
        for quantity, group in [key for key in self._cells if key[0].metric.startswith(prefix + "@")]:
            cell = self._cells.pop((quantity, group))
            key = (quantity._replace(metric=prefix), group)
            if key not in best or (cell.count and cell.total / cell.count > best[key].total / max(best[key].count, 1)):
                best[key] = cell
        self._cells.update(best)

    def rows(self, dataset: str, bundle: str) -> Iterator[Row]:
        """The means."""
        for (quantity, group), cell in self._cells.items():
            value = cell.total / cell.count if cell.count else float("nan")
            if cell.count or cell.failed:
                yield Row(
                    dataset=dataset, bundle=bundle, quantity=quantity, group=group, value=value,
                    count=cell.count, failed=cell.failed,
                )  # fmt: skip

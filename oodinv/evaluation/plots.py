"""The evaluation as pictures."""

import numpy as np
from PIL import Image

from oodinv.evaluation import counterfactuals, masks, reconstruction
from oodinv.evaluation.evaluate import Evaluation
from oodinv.evaluation.groups import ALL, NONE
from oodinv.evaluation.settings import COMPOSITIONS
from oodinv.evaluation.table import edit_groups
from oodinv.evaluation.tally import Quantity
from oodinv.report.plots import Curve, bar_plot, curve_plot, heat_map


def draw_plots(evaluation: Evaluation) -> dict[str, Image.Image]:
    """Name to picture; what was not measured has none."""
    plots: dict[str, Image.Image] = {}
    for dataset in evaluation.datasets:
        for name, make in (
            ("reconstruction", _reconstruction), ("masks", _masks), ("calibration", _calibration),
            ("gain", _gain),
        ):  # fmt: skip
            picture = make(evaluation, dataset)
            if picture is not None:
                plots[f"{name} {dataset}"] = picture
        for bundle in evaluation.bundles:
            for name, draw in (("edits", _edits), ("leakage", _leakage)):
                picture = draw(evaluation, dataset, bundle)
                if picture is not None:
                    plots[f"{name} {dataset} {bundle}"] = picture
    return plots


def _reconstruction(evaluation: Evaluation, dataset: str) -> Image.Image | None:
    regions = {"whole": "whole", "ood": "inside true OOD", "face": "face"}
    series = {
        _name(evaluation, bundle, method): [
            _number(evaluation, dataset, bundle, Quantity(reconstruction.SECTION, region, method, "psnr"))
            for region in regions
        ]
        for bundle in evaluation.bundles
        for method in reconstruction.METHODS
    }
    kept = [n for n in range(len(regions)) if any(np.isfinite(values[n]) for values in series.values())]
    if not kept:
        return None
    area, true = Quantity("mask", "whole", "mask", "area"), Quantity("mask", "whole", "truth", "area")
    areas = "; ".join(
        f"{_name(evaluation, bundle, 'mask area')} {_number(evaluation, dataset, bundle, area):.2f}"
        for bundle in evaluation.bundles
    )
    truth = _number(evaluation, dataset, evaluation.bundles[0], true)
    told = f"{areas}{f' (true {truth:.2f})' if np.isfinite(truth) else ''}"
    return bar_plot(
        f"Reconstruction, {dataset}: {told}",
        [list(regions.values())[n] for n in kept],
        {name: [values[n] for n in kept] for name, values in series.items()},
        unit="PSNR, dB",
    )


def _masks(evaluation: Evaluation, dataset: str) -> Image.Image | None:
    quantity = Quantity(masks.SECTION, "accessory", masks.MASK, "auroc")
    groups = sorted({r.group for r in evaluation.rows if r.dataset == dataset and r.quantity == quantity} - {ALL, NONE})
    groups = ["all", *groups]
    series = {
        _name(evaluation, bundle, method): [
            _number(evaluation, dataset, bundle, quantity._replace(method=method), group) for group in groups
        ]
        for bundle in evaluation.bundles
        for method in (masks.MASK, masks.ERROR)
    }
    if not any(np.isfinite(value) for values in series.values() for value in values):
        return None
    lowest = min(0.5, min(v for values in series.values() for v in values if np.isfinite(v)))
    return bar_plot(f"Finding accessories inside the silhouette, {dataset}", groups, series, unit="AUROC", low=lowest)


def _calibration(evaluation: Evaluation, dataset: str) -> Image.Image | None:
    curves = []
    for bundle in evaluation.bundles:
        for region, curve in evaluation.curves[dataset, bundle].reliability.items():
            if len(curve.share):
                name = _name(evaluation, bundle, f"{region}, error {curve.ece:.3f}")
                curves.append(Curve(name=name, x=curve.predicted.tolist(), y=curve.observed.tolist()))
    if not curves:
        return None
    return curve_plot(
        f"Calibration of the mask, {dataset}",
        curves,
        x_title="value of the mask",
        y_title="share of pixels out of domain",
        diagonal=True,
    )


def _edits(evaluation: Evaluation, dataset: str, bundle: str) -> Image.Image | None:
    groups = edit_groups(evaluation, dataset)
    if not groups:
        return None
    cells = [(group, region) for group in groups for region in ("accessory", "face")]

    def errors(composition: str) -> list[float]:
        method = f"crop {composition}"
        return [
            _number(
                evaluation, dataset, bundle, Quantity(counterfactuals.SECTION, region, method, "absolute_error"), group
            )
            for group, region in cells
        ]

    series = {composition: errors(composition) for composition in (counterfactuals.UNEDITED, *COMPOSITIONS)}
    kept = [n for n in range(len(cells)) if any(np.isfinite(values[n]) for values in series.values())]
    return bar_plot(
        f"Edits against true ones, {bundle} on {dataset}",
        [": ".join(cells[n]) for n in kept],
        {name: [values[n] for n in kept] for name, values in series.items()},
        unit="mean absolute error, of 255",
    )


def _gain(evaluation: Evaluation, dataset: str) -> Image.Image | None:
    curves = []
    for bundle in evaluation.bundles:
        found = evaluation.curves[dataset, bundle].attributes
        if found is None:
            continue
        for number, edit in enumerate(found.gain.edits):
            if edit in found.gain.attributes:
                own = found.change[number, :, found.gain.attributes.index(edit)]
                points = sorted([*zip(found.strengths, own.tolist(), strict=True), (0.0, 0.0)])
                x, y = zip(*points, strict=True)
                curves.append(Curve(name=_name(evaluation, bundle, edit), x=x, y=y))
    if not curves:
        return None
    return curve_plot(
        f"What edits do to their own attribute, {dataset}",
        curves,
        x_title="strength",
        y_title="change, standard deviations",
        diagonal=True,
    )


def _leakage(evaluation: Evaluation, dataset: str, bundle: str) -> Image.Image | None:
    found = evaluation.curves[dataset, bundle].attributes
    if found is None:
        return None
    gain = found.gain
    own = [(n, gain.attributes.index(edit)) for n, edit in enumerate(gain.edits) if edit in gain.attributes]
    return heat_map(
        f"Change of attributes by edits, {bundle} on {dataset}",
        gain.edits,
        gain.attributes,
        gain.slopes,
        unit="standard deviations per unit",
        framed=own,
    )


def _number(evaluation: Evaluation, dataset: str, bundle: str, quantity: Quantity, group: str = ALL) -> float:
    row = evaluation.value(dataset, bundle, quantity, group)
    return float("nan") if row is None else row.value


def _name(evaluation: Evaluation, bundle: str, what: str) -> str:
    """With the bundle's name where there are several."""
    return what if len(evaluation.bundles) == 1 else f"{bundle}: {what}"

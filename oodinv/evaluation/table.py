"""The table as Markdown: bundles side by side, one section for each thing that was measured."""

from collections.abc import Iterator, Sequence

from oodinv.evaluation import attributes, counterfactuals, generator, masks, reconstruction
from oodinv.evaluation.cells import COPIES, DOUBTED, TITLES, cell, markdown_table
from oodinv.evaluation.evaluate import Evaluation
from oodinv.evaluation.groups import ALL, ATTACHED, HELD, NONE, OVERLAY, WORN
from oodinv.evaluation.independence import INDEPENDENT, fact
from oodinv.evaluation.settings import COMPOSITIONS
from oodinv.evaluation.tally import Quantity

_REGIONS = {"whole": "whole", "ood": "inside true OOD", "face": "face"}
_LARGEST_RATIO, _LARGEST_AREA = 1.3, 0.95
_MASK_AREA, _TRUE_AREA = Quantity("mask", "whole", "mask", "area"), Quantity("mask", "whole", "truth", "area")


def markdown(evaluation: Evaluation) -> str:
    """Tables by dataset, the protocol, and what is absent."""
    parts = ["# Evaluation"]
    for dataset in evaluation.datasets:
        parts += [text for make in _SECTIONS if (text := make(evaluation, dataset))]
    parts += ["## Protocol\n\n" + evaluation.protocol.markdown()]
    if evaluation.absent:
        parts += ["## What is absent, and why\n\n" + "\n".join(f"* {reason}." for reason in evaluation.absent)]
    return "\n\n".join(parts) + "\n"


def _reconstruction(evaluation: Evaluation, dataset: str) -> str:
    head = [""] + [f"{bundle}: {method}" for bundle in evaluation.bundles for method in reconstruction.METHODS]
    lines = []
    for region, title in _REGIONS.items():
        for metric in ("psnr", "ssim", "ms_ssim", "lpips", "identity", "face_found"):
            line = [f"{title}, {TITLES[metric]}"]
            for bundle in evaluation.bundles:
                for method in reconstruction.METHODS:
                    row = evaluation.value(dataset, bundle, Quantity(reconstruction.SECTION, region, method, metric))
                    line.append(cell(row, flag=_flag(evaluation, dataset, bundle, ALL, method)))
            lines.append(line)
    lines = _without_empty(lines)
    if not lines:
        return ""
    for title, quantity in (("mean mask area", _MASK_AREA), ("mean true area", _TRUE_AREA)):
        line = [title]
        for bundle in evaluation.bundles:
            line += ["", "", cell(evaluation.value(dataset, bundle, quantity))]
        lines.append(line)
    note = ""
    if any(COPIES in text for line in lines for text in line):
        note = (
            f"\n\n{COPIES} The mask keeps more than {_LARGEST_RATIO} times what is out of domain (or more than "
            f"{_LARGEST_AREA:.0%} of the crop): it copies the photo, and the number says little."
        )
    return (
        f"## Reconstruction: {dataset}\n\nplain: encoder and generator alone; aligned: before blending; full: blended "
        f"with the crop by the mask.\n\n{markdown_table(head, lines)}{note}"
    )


def _flag(evaluation: Evaluation, dataset: str, bundle: str, group: str, method: str) -> str:
    area = evaluation.value(dataset, bundle, _MASK_AREA, group)
    true = evaluation.value(dataset, bundle, _TRUE_AREA, group)
    if method != "full" or area is None:
        return ""
    limit = _LARGEST_AREA if true is None else min(_LARGEST_AREA, _LARGEST_RATIO * true.value)
    return COPIES if area.value > limit else ""


def _masks(evaluation: Evaluation, dataset: str) -> str:
    baselines = masks.METHODS[1:]
    head = ["", *(f"{bundle}: {m}" for bundle in evaluation.bundles for m in masks.METHODS[:2]), *baselines[1:]]
    first = evaluation.bundles[0]
    lines = []
    for region, title in (("accessory", "accessory inside the silhouette"), ("union", "accessory or background")):
        for metric in ("auroc", "auroc_image", "iou", "ece"):
            line = [f"{title}, {TITLES[metric]}"]
            asked = [(bundle, method) for bundle in evaluation.bundles for method in masks.METHODS[:2]]
            for bundle, method in asked + [(first, method) for method in masks.METHODS[2:]]:
                line.append(cell(evaluation.value(dataset, bundle, Quantity(masks.SECTION, region, method, metric))))
            lines.append(line)
    lines = _without_empty(lines)
    return f"## Masks: {dataset}\n\n{markdown_table(head, lines)}" if lines else ""


def _kinds(evaluation: Evaluation, dataset: str) -> str:
    groups = _accessory_groups(evaluation, dataset)
    if not groups:
        return ""
    parts = [f"## By accessory: {dataset}"]
    head = [
        "", "samples", "true area", "mask area", "OOD PSNR: plain", "full", "face PSNR: plain", "full",
        "accessory AUROC: mask", "error map", "accessory IoU: mask", "error map", "union AUROC: mask", "error map",
    ]  # fmt: skip
    for bundle in evaluation.bundles:
        lines = []
        for group in groups:
            area = evaluation.value(dataset, bundle, _MASK_AREA, group)
            line = [group, "–" if area is None else str(area.count + area.failed)]
            for quantity in _kind_quantities():
                row = evaluation.value(dataset, bundle, quantity, group)
                line.append(cell(row, flag=_flag(evaluation, dataset, bundle, group, quantity.method)))
            lines.append(line)
        parts.append(f"{bundle}:\n\n{markdown_table(head, lines)}")
    return "\n\n".join(parts)


def _kind_quantities() -> Iterator[Quantity]:
    yield _TRUE_AREA
    yield _MASK_AREA
    for region in ("ood", "face"):
        for method in ("plain", "full"):
            yield Quantity(reconstruction.SECTION, region, method, "psnr")
    for region, metric in (("accessory", "auroc"), ("accessory", "iou"), ("union", "auroc")):
        for method in (masks.MASK, masks.ERROR):
            yield Quantity(masks.SECTION, region, method, metric)


def _accessory_groups(evaluation: Evaluation, dataset: str) -> list[str]:
    """All, worn, none, then kinds; empty where masks are not known."""
    found = {row.group for row in evaluation.rows if row.dataset == dataset and row.quantity == _TRUE_AREA}
    first = [group for group in (ALL, WORN, NONE) if group in found]
    return first + sorted(found - set(first)) if found else []


def _edits(evaluation: Evaluation, dataset: str) -> str:
    regions = ("accessory", "face", "background", "whole")
    groups = edit_groups(evaluation, dataset)
    if not groups:
        return ""
    note = (
        "Mean absolute error, of 255; in the crop, then put back. Attached: an accessory turning with the head; held "
        "before it (hand, microphone, thing) and overlay (text, texture): one that stays in the picture."
    )
    parts = [f"## Edits against true ones: {dataset}\n\n{note}"]
    methods = [f"crop {name}" for name in (counterfactuals.UNEDITED, *COMPOSITIONS)]
    methods += sorted(
        {
            row.quantity.method
            for row in evaluation.rows
            if row.dataset == dataset and row.quantity.section == counterfactuals.SECTION
        }
        - set(methods),
        key=lambda method: (len(method.split("x")[0]), method),
    )
    for group in groups:
        lines = []
        for method in methods:
            quantities = [Quantity(counterfactuals.SECTION, region, method, "absolute_error") for region in regions]
            line = [cell(evaluation.value(dataset, b, q, group)) for b in evaluation.bundles for q in quantities]
            lines.append([method, *line])
        head = [group] + [f"{bundle}: {region}" for bundle in evaluation.bundles for region in regions]
        parts.append(markdown_table(head, _without_empty(lines)) + _moved(evaluation, dataset, group))
        parts += _by_attachment(evaluation, dataset, group, methods)
    return "\n\n".join(parts)


def _by_attachment(evaluation: Evaluation, dataset: str, group: str, methods: Sequence[str]) -> list[str]:
    """Errors inside accessories, apart for what turns with the head and what does not."""
    columns = [(bundle, sort) for bundle in evaluation.bundles for sort in (ATTACHED, HELD, OVERLAY)]
    lines = []
    for method in methods:
        quantity = Quantity(counterfactuals.SECTION, "accessory", method, "absolute_error")
        found = [evaluation.value(dataset, bundle, quantity, f"{group}: {sort}") for bundle, sort in columns]
        lines.append([method, *map(cell, found)])
    lines = _without_empty(lines)
    head = [f"{group}: accessory", *(f"{bundle}: {sort}" for bundle, sort in columns)]
    return [markdown_table(head, lines)] if lines else []


def _moved(evaluation: Evaluation, dataset: str, group: str) -> str:
    """How far the truth went: the same for all bundles that have the edits."""
    for bundle in evaluation.bundles:
        left = evaluation.value(dataset, bundle, counterfactuals.LEFT_OUT, group)
        if left is not None:
            moved = evaluation.value(dataset, bundle, counterfactuals.MOVED, group)
            told = "" if moved is None else f"; the others' moved by {moved.value:.2f} of what was asked, in the mean"
            few = f"{round(left.value * left.count)} of {left.count} counterfactuals are left out"
            return f"\n\n{few}, their truth hardly moved{told}."
    return ""


def edit_groups(evaluation: Evaluation, dataset: str) -> list[str]:
    """All, then the attributes that were changed."""
    found = {
        row.group
        for row in evaluation.rows
        if row.dataset == dataset and row.quantity.section == counterfactuals.SECTION
    }
    return [ALL, *sorted(group for group in found - {ALL} if group.replace("_", "").isalpha())] if found else []


def _attributes(evaluation: Evaluation, dataset: str) -> str:
    rows = [row for row in evaluation.rows if row.dataset == dataset and row.quantity.section == attributes.SECTION]
    edits = sorted({row.quantity.region for row in rows})
    true = sorted({row.quantity.method for row in rows if row.quantity.metric == "true_change"}, key=float)
    asked_for = {row.quantity.method for row in rows if row.quantity.metric != "true_change"} - {"per unit"}
    strengths = sorted(asked_for, key=float)
    facts = evaluation.protocol.facts
    judged = {bundle: facts[fact(bundle)] for bundle in evaluation.bundles if fact(bundle) in facts}
    head, lines = ["", "gain per unit", "leakage"], []
    head += [f"change at {strength}" for strength in strengths] + [f"true change at {strength}" for strength in true]
    head += [f"identity at {strength}" for strength in strengths]
    for bundle in evaluation.bundles:
        for edit in edits:
            asked = [("per unit", "gain"), ("per unit", "leakage")]
            asked += [(strength, "change") for strength in strengths]
            asked += [(strength, "true_change") for strength in true]
            asked += [(strength, "identity") for strength in strengths]
            found = [
                evaluation.value(dataset, bundle, Quantity(attributes.SECTION, edit, method, metric))
                for method, metric in asked
            ]
            if any(found):
                mark = "" if judged.get(bundle, INDEPENDENT) == INDEPENDENT else DOUBTED
                lines.append([f"{bundle}: {edit}{mark}", *(cell(row) for row in found)])
    if not lines:
        return ""
    independent = all(text == INDEPENDENT for text in judged.values())
    notes = [f"{DOUBTED} {bundle}: the regressor is {text}." for bundle, text in judged.items() if text != INDEPENDENT]
    return (
        f"## Attributes: {dataset}\n\nIn standard deviations, by a regressor"
        f"{' that is independent of the bundles' if independent else ''}. Gain: slope of the edit's own attribute; "
        "leakage: mean absolute slope of all others over the gain."
        f"{_TRUE_CHANGE if true else ''}\n\n" + "\n\n".join([markdown_table(head, lines), *notes])
    )


_TRUE_CHANGE = (
    " True change: what the same regressor reads in the portrait rendered with the attribute, and nothing else, moved "
    "by as much; from truths that moved less it is extrapolated."
)


def _generator(evaluation: Evaluation, dataset: str) -> str:
    rows = [row for row in evaluation.rows if row.dataset == dataset and row.quantity.section == generator.SECTION]
    sides = sorted({row.quantity.region for row in rows if row.quantity.region.isdigit()}, key=int, reverse=True)
    quantities = {"SWD": Quantity(generator.SECTION, "whole", "drawn", "swd")}
    quantities |= {f"SWD at {side}": Quantity(generator.SECTION, side, "drawn", "swd") for side in sides}
    quantities |= {name: Quantity(generator.SECTION, "whole", "drawn", name.lower()) for name in ("FID", "KID")}
    finite = Quantity(generator.SECTION, "whole", "drawn", "finite")
    lines = []
    for bundle in evaluation.bundles:
        drawn = evaluation.value(dataset, bundle, finite)
        if drawn is not None:
            count = f"{drawn.count + drawn.failed}" + (f" ({drawn.failed} failed)" if drawn.failed else "")
            lines.append([bundle, count, *(cell(evaluation.value(dataset, bundle, q)) for q in quantities.values())])
    if not lines:
        return ""
    table = markdown_table(["", "pictures", *quantities], lines)
    return f"## Generator: {dataset}\n\nDistances to the crops without accessory, less is better.\n\n{table}"


_SECTIONS = (_reconstruction, _masks, _kinds, _edits, _attributes, _generator)


def _without_empty(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    return [list(line) for line in lines if any(text not in ("–", "") for text in line[1:])]

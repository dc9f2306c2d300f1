"""From names and folders to files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.evaluate import OnProgress, evaluate
from oodinv.evaluation.independence import seen_before
from oodinv.evaluation.judges import Judges, load_judges
from oodinv.evaluation.names import short_names
from oodinv.evaluation.samples import check_writable
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.sheets import draw_sheets
from oodinv.evaluation.write import SAMPLES, WrittenEvaluation, add_sheets, write_evaluation
from oodinv.training.data import Dataset, open_dataset
from oodinv.training.seen import Seen

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Files of the judging networks, see `load_judges`."""

    lpips: Path | None = None
    inception: Path | None = None
    regressor: Path | None = None
    detector: Literal["centerface", "face-alignment"] | None = None


def run_evaluation(
    bundles: Sequence[str],
    datasets: Sequence[str],
    out: Path,
    settings: Settings | None = None,
    *,
    networks: Networks | None = None,
    sheets: bool = False,
    cache: Path | None = None,
    progress: bool = False,
    on_progress: OnProgress | None = None,
) -> WrittenEvaluation:
    """Measure bundles on datasets and write table, plots, every sample's numbers and, if asked for, sheets.

    Args:
        bundles: Names, folders or buckets; a column each.
        datasets: Folders; tables each.
        out: Folder to write to; made if absent, asked before anything is measured.
        settings: None = everything, on all samples.
        networks: What judges; None = no network does.
        sheets: Also draw what there is to look at.
        cache: Folder for decoded crops; None = beside each dataset.
        progress: Show bars on stderr.
        on_progress: Hears after every batch.

    Raises:
        BundleError: A bundle is missing or damaged.
        DatasetError: A dataset is.
        EvaluationError: A network is, the folder cannot be written, or crops are too small.
    """
    settings, networks = settings or Settings(), networks or Networks()
    for what, given in (("bundle", bundles), ("dataset", datasets)):
        if len(set(given)) < len(given):
            twice = sorted({name for name in given if given.count(name) > 1})
            raise EvaluationError(f"every {what} is measured once, got {', '.join(twice)} more than once")
    check_writable(out)
    judges = load_judges(**asdict(networks), device=settings.device)
    loaded = {
        name: Inverter.from_bundle(bundle, device=settings.device, preset=settings.preset)
        for name, bundle in zip(short_names(bundles), bundles, strict=True)
    }
    names = short_names(datasets)
    opened = {
        name: open_dataset([folder], count=settings.count, cache=cache, progress=progress)
        for name, folder in zip(names, datasets, strict=True)
    }
    judges = _with_overlaps(judges, networks.regressor, opened)
    for inverter in loaded.values():
        for text in seen_before(inverter.bundle, opened):
            logger.warning("bundle %s %s", inverter.bundle.spec.name, text)
    evaluation = evaluate(
        loaded,
        opened,
        settings,
        judges=judges,
        folders={name: Path(folder) for name, folder in zip(names, datasets, strict=True)},
        samples=out / SAMPLES,
        progress=progress,
        on_progress=on_progress,
    )
    written = write_evaluation(evaluation, out)
    # What was measured is safe before anything is drawn to look at.
    return add_sheets(written, draw_sheets(loaded, opened, settings)) if sheets else written


def _with_overlaps(judges: Judges, regressor: Path | None, datasets: Mapping[str, Dataset]) -> Judges:
    """Say with the regressor which of the pictures it has seen in its own training."""
    if regressor is None:
        return judges
    seen = Seen.read(regressor if regressor.is_dir() else regressor.parent, "regressor")
    told = judges.told.get("regressor", "")
    if seen is None:
        return replace(judges, told=judges.told | {"regressor": f"{told}; not known what it was trained on"})
    for name, data in datasets.items():
        shared = seen.shared_with(data)
        if shared:
            logger.warning("the regressor was trained on what it judges: %s of dataset %s", shared, name)
            told += f"; NOT INDEPENDENT: trained on {shared} of dataset {name}"
    return replace(judges, told=judges.told | {"regressor": told})

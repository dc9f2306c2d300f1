"""An evaluation as files."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.evaluate import Evaluation
from oodinv.evaluation.plots import draw_plots
from oodinv.evaluation.samples import slug
from oodinv.evaluation.table import markdown
from oodinv.evaluation.tally import Quantity, Row

TABLE, MARKDOWN, PLOTS, SHEETS, SAMPLES = "table.parquet", "table.md", "plots", "sheets", "samples"


@dataclass(frozen=True, kw_only=True)
class WrittenEvaluation:
    """Where it lies."""

    table: Path
    markdown: Path
    plots: tuple[Path, ...]
    sheets: tuple[Path, ...]


def write_evaluation(evaluation: Evaluation, out: Path) -> WrittenEvaluation:
    """Write `table.parquet`, `table.md` and `plots/*.png`; older files of the same names are replaced.

    The Parquet file has a row per number (dataset, bundle, section, region, method, metric, group, value, count,
    failed) and the protocol in its metadata, key `protocol.<name>`.

    Raises:
        EvaluationError: The folder cannot be written.
    """
    try:
        (out / PLOTS).mkdir(parents=True, exist_ok=True)
        _replace(out / TABLE, _parquet(evaluation))
        plots = []
        text = markdown(evaluation)
        for name, picture in draw_plots(evaluation).items():
            plots.append(_save(picture, out / PLOTS / f"{slug(name)}.png"))
            text += f"\n![{name}]({PLOTS}/{plots[-1].name})\n"
        _replace(out / MARKDOWN, text.encode())
    except OSError as error:
        raise EvaluationError(f"{out} cannot be written: {error.strerror or error}; name another folder") from error
    return WrittenEvaluation(table=out / TABLE, markdown=out / MARKDOWN, plots=tuple(plots), sheets=())


def add_sheets(written: WrittenEvaluation, sheets: Mapping[str, Image.Image]) -> WrittenEvaluation:
    """Write `sheets/*.jpg` beside an evaluation and show them at the end of its Markdown.

    Raises:
        EvaluationError: The folder cannot be written.
    """
    out = written.markdown.parent
    try:
        (out / SHEETS).mkdir(exist_ok=True)
        kept = [_save(picture, out / SHEETS / f"{slug(name)}.jpg") for name, picture in sheets.items()]
        text = written.markdown.read_text(encoding="utf-8")
        text += "".join(f"\n![{path.stem}]({SHEETS}/{path.name})\n" for path in kept)
        _replace(written.markdown, text.encode())
    except OSError as error:
        raise EvaluationError(f"{out} cannot be written: {error.strerror or error}; name another folder") from error
    return replace(written, sheets=tuple(kept))


def read_rows(path: Path) -> list[Row]:
    """Rows of a `table.parquet`.

    Raises:
        EvaluationError: There is none, or it holds something else.
    """
    try:
        found = pq.read_table(path).to_pylist()
        return [
            Row(
                dataset=row["dataset"], bundle=row["bundle"], group=row["group"], count=row["count"],
                failed=row["failed"], value=float("nan") if row["value"] is None else row["value"],
                quantity=Quantity(row["section"], row["region"], row["method"], row["metric"]),
            )
            for row in found
        ]  # fmt: skip
    except (OSError, pa.ArrowException, KeyError) as error:
        raise EvaluationError(f"{path} is not the table of an evaluation: {error}") from error


def _parquet(evaluation: Evaluation) -> bytes:
    rows = evaluation.rows
    columns = {
        "dataset": pa.array([row.dataset for row in rows], pa.string()),
        "bundle": pa.array([row.bundle for row in rows], pa.string()),
        **{name: pa.array([getattr(row.quantity, name) for row in rows], pa.string()) for name in Quantity._fields},
        "group": pa.array([row.group for row in rows], pa.string()),
        "value": pa.array([row.value for row in rows], pa.float64(), from_pandas=True),
        "count": pa.array([row.count for row in rows], pa.int64()),
        "failed": pa.array([row.failed for row in rows], pa.int64()),
    }
    facts = {f"protocol.{name}": text for name, text in evaluation.protocol.facts.items()}
    facts |= {f"absent.{number}": reason for number, reason in enumerate(evaluation.absent)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(facts), buffer)
    return buffer.getvalue()


def _save(picture: Image.Image, path: Path) -> Path:
    buffer = io.BytesIO()
    if path.suffix == ".jpg":
        picture.save(buffer, "JPEG", quality=90)
    else:
        picture.save(buffer, "PNG", optimize=True)
    _replace(path, buffer.getvalue())
    return path


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)

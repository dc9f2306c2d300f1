"""Measure bundles on held-out datasets: one table, with plots, in a folder and in the UI."""

import base64
import io
import re
from pathlib import Path

from PIL import Image
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.evaluate_request import EvaluateRequest
from oodinv.evaluation.write import WrittenEvaluation
from tasks.evaluate_bundles import evaluate_bundles
from tasks.run_logs import library_logs_in_run
from tasks.show import shown

_INLINE_WIDTH = 1100
"""Pixels; keeps the pictures in the UI's database small."""


@flow(name="evaluate", flow_run_name="evaluate {request.out}", persist_result=False)
def evaluate(request: EvaluateRequest) -> WrittenEvaluation:
    """Measure reconstruction, masks, edits, attributes and generator of bundles, side by side.

    Running it again measures again and replaces the table.
    """
    with library_logs_in_run():
        written = evaluate_bundles(
            request.bundles,
            request.datasets,
            Path(request.out),
            request.settings(),
            lpips=_path(request.lpips),
            inception=_path(request.inception),
            regressor=_path(request.regressor),
            detector=request.detector,
            sheets=request.sheets,
            cache=_path(request.cache),
        )
        with shown("the evaluation"):
            create_markdown_artifact(
                with_pictures(written),
                key="oodinv-evaluation",
                description=f"{', '.join(request.bundles)} on {', '.join(request.datasets)}",
            )
    return written


def with_pictures(written: WrittenEvaluation) -> str:
    """The Markdown with its plots and sheets inside, so that the UI shows them."""
    folder = written.markdown.parent
    known = {str(path.relative_to(folder)): path for path in (*written.plots, *written.sheets)}

    def inlined(match: re.Match[str]) -> str:
        path = known.get(match[2])
        return match[0] if path is None else f"![{match[1]}]({_data_address(path)})"

    return re.sub(r"!\[([^\]]*)\]\(([^)]+)\)", inlined, written.markdown.read_text(encoding="utf-8"))


def _data_address(path: Path) -> str:
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_INLINE_WIDTH, 10 * _INLINE_WIDTH))
    buffer = io.BytesIO()
    if path.suffix == ".png":
        small.quantize(64).save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        small.save(buffer, "JPEG", quality=80)
        kind = "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)

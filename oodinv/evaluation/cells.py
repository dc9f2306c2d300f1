"""How numbers are printed."""

import math
from collections.abc import Sequence

from oodinv.evaluation.tally import Row

ABSENT = "–"
COPIES = "†"
"""Marks reconstructions whose mask keeps far more than is out of domain."""
DOUBTED = "‡"
"""Marks edits whose judge may have made them."""
_FORMS = {
    "psnr": "{:.2f}", "ssim": "{:.3f}", "ms_ssim": "{:.3f}", "lpips": "{:.3f}", "identity": "{:.3f}",
    "face_found": "{:.3f}", "area": "{:.3f}", "auroc": "{:.3f}", "auroc_image": "{:.3f}", "iou": "{:.3f}",
    "ece": "{:.3f}", "absolute_error": "{:.2f}", "gain": "{:+.2f}", "leakage": "{:.2f}", "change": "{:+.2f}",
    "true_change": "{:+.2f}",
    "swd": "{:.2f}", "fid": "{:.2f}", "kid": "{:.4f}", "seconds": "{:.3f}",
}  # fmt: skip
TITLES = {
    "psnr": "PSNR, dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS", "identity": "identity",
    "face_found": "faces found", "auroc": "AUROC", "auroc_image": "AUROC, mean per image", "iou": "IoU",
    "ece": "calibration error", "swd": "SWD", "fid": "FID", "kid": "KID",
}  # fmt: skip


def cell(row: Row | None, *, flag: str = "") -> str:
    """A number, how many samples failed, and a mark; a dash for what is absent."""
    if row is None:
        return ABSENT
    text = _FORMS.get(row.quantity.metric, "{:.3g}").format(row.value) if math.isfinite(row.value) else ABSENT
    failed = f" ({row.failed} failed)" if row.failed else ""
    return f"{text}{flag if text != ABSENT else ''}{failed}"


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, the first column to the left and the others to the right."""
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *lines]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows)

"""Galleries without a dataset: faces are plain colours."""

import io
from typing import Any

from PIL import Image

from oodinv.ledger.identity import sample_id
from oodinv.report.gallery import FaceCard, FaceEdit, Gallery, PhotoFailure, ProductCounts

SCRIPT = "<script>window.hacked=1</script>.jpg"
"""A key that would run if it became markup."""

HOSTILE = [
    SCRIPT, "</script><script>window.hacked=1</script>", "<!--<script>", "\"'><img src=x onerror=window.hacked=1>",
    "$title ${data}", "&lt;b&gt;", "a\u202egpj.b\u2066", "line\nbreak\r\x00\x1b[31m", "\u2028\u2029", "\\u003c\\",
    "]]>", "javascript:window.hacked=1", "日本語/שלום.jpg", "x" * 3000,
]  # fmt: skip


def picture(colour: str | tuple[int, int, int], mode: str = "RGB") -> bytes:
    """One colour as JPEG."""
    buffer = io.BytesIO()
    Image.new(mode, (32, 32), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def edited(colour: str, **numbers: float) -> FaceEdit:
    """An edit that went well; the mask keeps everything."""
    return FaceEdit(status="ok", result=picture(colour), mask=picture("white", "L"), **numbers)


def failed(reason: str = "runtime-error: no luck") -> FaceEdit:
    """An edit that did not."""
    return FaceEdit(status="failed", reason=reason)


def face(key: str, *edits: FaceEdit, index: int = 0, num_faces: int = 1) -> FaceCard:
    """A face of a red photo."""
    return FaceCard(
        key=key,
        sample_id=sample_id(key),
        face_index=index,
        num_faces=num_faces,
        photo=picture("red"),
        reconstruction=picture("grey"),
        edits=edits,
    )


def failure(key: str, status: str = "failed", message: str = "cut off", edits: tuple[int, ...] = ()) -> PhotoFailure:
    """A photo without result."""
    return PhotoFailure(
        key=key, sample_id=sample_id(key), status=status, error_class="truncated", message=message, edits=edits
    )


def gallery(**changes: Any) -> Gallery:
    """Two edits, three faces (one of which failed in the second edit), three photos without result."""
    given: dict[str, Any] = {
        "title": "holiday",
        "num_inputs": 10,
        "snapshot": 3,
        "facts": [("photos/s", "0.56")],
        "products": [
            ProductCounts(label="faces", name="faces-00000000", samples={"ok": 7, "skipped": 2, "failed": 1}),
            ProductCounts(label="smile +2", name="smile_p2.00-00000000", samples={"ok": 6, "skipped": 2, "failed": 1}),
        ],
        "edits": ["smile +2", "age −1"],
        "faces": [
            face("a.jpg", edited("blue", ood_area=0.25, recon_psnr=21.04), edited("lime")),
            face("b/two.jpg", edited("blue"), failed()),
            face(SCRIPT, edited("blue"), edited("lime"), index=1, num_faces=2),
        ],
        "failures": [
            failure("broken.jpg"),
            failure("only-age.jpg", edits=(1,)),
            failure("table.jpg", status="skipped", message="no face"),
        ],
    }
    return Gallery(**given | changes)

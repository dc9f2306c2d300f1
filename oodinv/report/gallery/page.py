"""The gallery as one HTML page that carries its pictures, its style and its script, and may load nothing else."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

from oodinv.report.gallery.contents import FaceCard, FaceEdit, Gallery
from oodinv.report.gallery.foreign import escaped, script_json, visible
from oodinv.report.gallery.numbers import numbers_of
from oodinv.report.gallery.tables import STATUSES, face_table, facts_list, failure_table, status_table


def gallery_page(gallery: Gallery) -> str:
    """The page; equal galleries give equal pages.

    Args:
        gallery: What to show. Its keys, messages, labels and facts may be any text.

    Returns:
        HTML. Its content policy forbids every request, and every script but its own.
    """
    style, script = _file("style.css"), _file("script.js")
    listed = len({failure.sample_id for failure in gallery.failures})
    num_failures = listed + sum(gallery.unlisted.values())
    return Template(_file("page.html")).substitute(
        policy=_policy(style, script),
        style=style,
        script=script,
        title=escaped(gallery.title, 120),
        summary=_summary(gallery),
        facts=facts_list(gallery.facts),
        status=status_table(gallery.products, gallery.num_inputs) if gallery.products else "",
        notice=_notice(gallery),
        faces_hidden="" if gallery.faces else "hidden",
        num_faces=_counted(len(gallery.faces), "face"),
        status_choices=_choices("status", {status: status for status in _statuses(gallery)}),
        edit_choices=_choices("edit", {str(index): label for index, label in enumerate(gallery.edits)}),
        face_table=face_table(gallery),
        failures_hidden="" if num_failures else "hidden",
        num_failures=_counted(num_failures, "photo"),
        failures=failure_table(gallery.failures, gallery.edits, gallery.unlisted),
        data=script_json(_data(gallery)),
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded, run or styled but what has these hashes; pictures lie in the page itself."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _summary(gallery: Gallery) -> str:
    parts = [_counted(gallery.num_inputs, "photo")]
    if gallery.snapshot is not None:
        parts += [_counted(len(gallery.edits), "edit"), f"snapshot {gallery.snapshot}"]
    return " · ".join(parts)


def _notice(gallery: Gallery) -> str:
    """Why there are no pictures, where there are none."""
    if gallery.faces:
        return ""
    if gallery.snapshot is None:
        text = "Nothing is published here yet. Run <code>oodinv augment</code> to the end; then make this page again."
    elif not gallery.edits:
        text = "There is no edit in this dataset, so there are no faces to compare."
    else:
        text = "There are no previews in this dataset: none of the photos that would be shown has an edited face."
    return f'<p class="notice" role="status">{text}</p>'


def _statuses(gallery: Gallery) -> list[str]:
    pending = any(edit.status == "pending" for face in gallery.faces for edit in face.edits)
    return [status for status in STATUSES if status != "pending" or pending]


def _choices(name: str, labels: Mapping[str, str]) -> str:
    """Radio buttons: all, and one for each value."""
    marked = {"": "all", **labels}
    return "".join(
        f'<label><input type="radio" name="{name}" value="{escaped(value)}"{"" if value else " checked"}>'
        f"<span>{escaped(label, 60)}</span></label>"
        for value, label in marked.items()
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


class _Pictures:
    """Every picture once: edits of one face often share a mask."""

    def __init__(self) -> None:
        self._indices: dict[bytes, int] = {}

    def index(self, jpeg: bytes | None) -> int | None:
        return None if jpeg is None else self._indices.setdefault(jpeg, len(self._indices))

    def encoded(self) -> list[str]:
        return [base64.b64encode(jpeg).decode() for jpeg in self._indices]


def _data(gallery: Gallery) -> dict[str, Any]:
    """What the script makes the cards from."""
    pictures = _Pictures()
    faces = [_face(face, pictures) for face in gallery.faces]
    return {"edits": [visible(label, 60) for label in gallery.edits], "faces": faces, "pictures": pictures.encoded()}


def _face(face: FaceCard, pictures: _Pictures) -> dict[str, Any]:
    masks = {edit.mask for edit in face.edits if edit.mask}
    shown = [edit for edit in face.edits if edit.status == "ok"]
    return {
        "key": visible(face.key),
        "sample": face.sample_id,
        "face": face.face_index + 1,
        "of": face.num_faces,
        "photo": pictures.index(face.photo),
        "views": [_view(edit, pictures) for edit in face.edits],
        "reconstruction": {
            "result": pictures.index(face.reconstruction),
            # Where edits move the mask, none of theirs is the reconstruction's.
            "mask": pictures.index(masks.pop()) if len(masks) == 1 else None,
            "numbers": numbers_of(shown[0])[:2] if shown else [],
        },
    }


def _view(edit: FaceEdit, pictures: _Pictures) -> dict[str, Any]:
    return {
        "status": edit.status,
        "reason": visible(edit.reason),
        "result": pictures.index(edit.result),
        "mask": pictures.index(edit.mask),
        "numbers": numbers_of(edit),
    }

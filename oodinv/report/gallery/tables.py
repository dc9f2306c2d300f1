"""The parts of the page that are plain HTML: they show without scripts."""

from collections.abc import Mapping, Sequence

from oodinv.report.gallery.contents import FaceCard, Gallery, PhotoFailure, ProductCounts
from oodinv.report.gallery.foreign import escaped
from oodinv.report.gallery.numbers import numbers_of

STATUSES = ("ok", "skipped", "failed", "quarantined", "pending")
"""As everywhere, and ``pending`` for what has no rows yet."""


def facts_list(pairs: Sequence[tuple[str, str]]) -> str:
    """Labels and values."""
    items = "".join(f"<div><dt>{escaped(label, 60)}</dt><dd>{escaped(value, 120)}</dd></div>" for label, value in pairs)
    return f'<dl class="facts">{items}</dl>' if items else ""


def status_table(products: Sequence[ProductCounts], num_inputs: int) -> str:
    """Samples by status; every line adds up to the planned ones."""
    heads = "".join(f'<th scope="col" class="number">{status}</th>' for status in STATUSES)
    lines = "".join(_status_line(product, num_inputs) for product in products)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Photos by status"><table class="status">'
        f'<thead><tr><th scope="col">product</th><th scope="col" class="bar"><span class="unseen">shares</span></th>'
        f'<th scope="col" class="number">photos</th>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def failure_table(failures: Sequence[PhotoFailure], labels: Sequence[str], unlisted: Mapping[str, int]) -> str:
    """Photos without result; the script filters these lines by their `data-` attributes."""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("photo", "status", "edits", "class", "reason"))
    lines = "".join(_failure_line(failure, labels) for failure in failures)
    more = [f"{count:,} more {status}" for status, count in unlisted.items() if count]
    note = f'<p class="more">… and {", ".join(more)}. The rows of the dataset have them all.</p>' if more else ""
    return (
        f'<table class="failures"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{note}'
        '<p class="none" id="no-failure" hidden>None of them fits the filters.</p>'
    )


def face_table(gallery: Gallery) -> str:
    """The cards' numbers, for readers without scripts."""
    heads = "".join(f'<th scope="col">{escaped(label)}</th>' for label in gallery.edits)
    lines = "".join(_face_line(face) for face in gallery.faces)
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">photo</th><th scope="col">face</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _status_line(product: ProductCounts, num_inputs: int) -> str:
    counts = {status: product.samples.get(status, 0) for status in STATUSES}
    counts["pending"] = num_inputs - sum(product.samples.values())
    cells = "".join(f'<td class="number {status if n else "zero"}">{n:,}</td>' for status, n in counts.items())
    return (
        f'<tr><th scope="row">{escaped(product.label)} <code>{escaped(product.name)}</code></th>'
        f'<td class="bar">{_bar(counts)}</td><td class="number">{num_inputs:,}</td>{cells}</tr>'
    )


def _bar(counts: Mapping[str, int]) -> str:
    """Shares side by side. SVG: its widths are attributes, which the page's policy allows, unlike inline styles."""
    total, x, parts = max(sum(counts.values()), 1), 0.0, []
    for status, count in counts.items():
        width = 100 * count / total
        if count:
            parts.append(f'<rect class="{status}" x="{x:.2f}" width="{width:.2f}" height="1"/>')
        x += width
    return f'<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _failure_line(failure: PhotoFailure, labels: Sequence[str]) -> str:
    everywhere = len(failure.edits) in (0, len(labels))
    edits = "all" if everywhere else ", ".join(labels[index] for index in failure.edits)
    indices = " ".join(map(str, range(len(labels)) if everywhere else failure.edits))
    status = escaped(failure.status)
    return (
        f'<tr data-status="{status}" data-edits="{indices}" data-sample="{escaped(failure.sample_id)}">'
        f'<th scope="row" class="key"><bdi>{escaped(failure.key)}</bdi></th>'
        f'<td><span class="badge {status}">{status}</span></td>'
        f"<td>{escaped(edits)}</td><td><code>{escaped(failure.error_class)}</code></td>"
        f"<td><bdi>{escaped(failure.message)}</bdi></td></tr>"
    )


def _face_line(face: FaceCard) -> str:
    cells = []
    for edit in face.edits:
        said = ", ".join(f"{label} {value}" for label, value in numbers_of(edit)) or edit.reason
        cells.append(f"<td>{escaped(edit.status)}{': ' if said else ''}{escaped(said)}</td>")
    return (
        f'<tr><th scope="row" class="key"><bdi>{escaped(face.key)}</bdi></th>'
        f"<td>{face.face_index + 1} of {face.num_faces}</td>{''.join(cells)}</tr>"
    )

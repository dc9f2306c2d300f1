"""Text that somebody else wrote, made harmless: object keys, error messages."""

import html
import json
from typing import Any


def visible(text: str, limit: int = 500) -> str:
    """The text with everything that does not show as itself spelt out, and cut.

    Control characters, line ends, bidirectional marks, odd spaces and the like become ``⟨U+202E⟩``: a key shows all
    that is in it, and cannot turn the text around it.

    Args:
        text: Any string.
        limit: Most characters of the result.
    """
    shown = "".join(c if c.isprintable() else f"⟨U+{ord(c):04X}⟩" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escaped(text: str, limit: int = 500) -> str:
    """`visible`, for HTML text and quoted attributes."""
    return html.escape(visible(text, limit), quote=True)


def script_json(value: Any) -> str:
    """JSON for a `<script type="application/json">` element.

    All of it is ASCII, so line separators are escaped; without the three characters of markup it cannot end its
    element.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

"""Foreign text, fit for a log line, a table cell or a message."""


def one_line(text: str, limit: int, replacement: str = " ") -> str:
    """The text without control characters, line ends and what else does not print, cut with an ellipsis.

    Args:
        text: Any string.
        limit: Most characters of the result.
        replacement: Takes the place of each character that does not print.
    """
    shown = "".join(c if c.isprintable() else replacement for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"

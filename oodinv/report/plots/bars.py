"""Bars in groups."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image

from oodinv.report.plots.canvas import (
    GREY,
    INK,
    LINE,
    SMALL,
    TITLE,
    Canvas,
    Number,
    colour,
    number_text,
    round_scale,
    text_width,
)  # fmt: skip

_BAR, _SPACE, _LEFT, _RIGHT, _BOTTOM = 20, 26, 64, 24, 40
_HEIGHT = 260


def bar_plot(
    title: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[Number]],
    *,
    unit: str = "",
    low: Number | None = None,
    target: tuple[Number, str] | None = None,
) -> Image.Image:
    """Bars of several series side by side, each with its number.

    Args:
        title: Above the plot.
        groups: Names under the axis.
        series: Name to a value per group; NaN draws no bar but a dash.
        unit: Of the values.
        low: Where the axis begins; None = at 0.
        target: A line at a value, with its name.

    Raises:
        ValueError: A series has another number of values than there are groups.
    """
    for name, values in series.items():
        if len(values) != len(groups):
            raise ValueError(f"series {name!r} needs {len(groups)} values, got {len(values)}")
    widest = max((text_width(number_text(v), SMALL) for values in series.values() for v in values), default=0)
    bar = max(_BAR, math.ceil(widest) + 4)
    group = max([len(series) * bar, *(math.ceil(text_width(name)) for name in groups)]) + _SPACE
    width = max(_LEFT + len(groups) * group + _RIGHT, 480, math.ceil(text_width(title, TITLE)) + 40)
    legend = Canvas(width, 10).legend(0, 0, list(series), width - _LEFT - _RIGHT)
    top = 44 + legend + 26
    canvas = Canvas(width, int(top + _HEIGHT + _BOTTOM))
    canvas.text(16, 12, title, size=TITLE)
    canvas.legend(_LEFT, 44, list(series), width - _LEFT - _RIGHT)
    everything = [v for values in series.values() for v in values] + ([target[0]] if target else [])
    if low is None:
        scale = round_scale(everything, top + _HEIGHT, top)
    else:
        scale = round_scale([*everything, low], top + _HEIGHT, top, from_zero=False)
    for tick in scale.ticks():
        y = scale.at(tick)
        canvas.draw.line((_LEFT, y, width - _RIGHT, y), fill=LINE)
        canvas.text(_LEFT - 8, y, number_text(tick), anchor="rm", fill=GREY, size=SMALL)
    canvas.text(16, top - 16, unit, fill=GREY, size=SMALL, anchor="lm")
    zero = scale.at(0.0)
    for number, name in enumerate(groups):
        left = _LEFT + number * group + (group - len(series) * bar) / 2
        for place, values in enumerate(series.values()):
            x, value = left + place * bar, values[number]
            if not math.isfinite(value):
                canvas.text(x + bar / 2, zero - 8, "–", anchor="mm", fill=GREY, size=SMALL)
                continue
            y = scale.at(value)
            canvas.draw.rectangle((x + 1, min(y, zero), x + bar - 2, max(y, zero)), fill=colour(place))
            above = y - 8 if value >= 0 else y + 8
            canvas.text(x + bar / 2, above, number_text(value), anchor="mm", size=SMALL)
        canvas.text(_LEFT + number * group + group / 2, top + _HEIGHT + 10, name, anchor="ma")
    canvas.draw.line((_LEFT, zero, width - _RIGHT, zero), fill=INK)
    if target is not None:
        y = scale.at(target[0])
        for x in range(_LEFT, width - _RIGHT, 10):
            canvas.draw.line((x, y, x + 5, y), fill=INK)
        canvas.text(width - _RIGHT, y - 8, target[1], anchor="rm", size=SMALL)
    return canvas.image

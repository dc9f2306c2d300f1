"""Curves over a common axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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

_LEFT, _RIGHT, _BOTTOM, _WIDTH, _HEIGHT = 70, 28, 56, 420, 340


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points joined by lines, in the order given; what is not finite is left out."""

    name: str
    x: Sequence[Number]
    y: Sequence[Number]


def curve_plot(
    title: str,
    curves: Sequence[Curve],
    *,
    x_title: str,
    y_title: str,
    diagonal: bool = False,
) -> Image.Image:
    """Curves with points.

    Args:
        title: Above the plot.
        curves: With names for the legend.
        x_title: Under the horizontal axis.
        y_title: Above the vertical one.
        diagonal: Draw y = x, for curves that should lie on it.
    """
    width = max(_LEFT + _WIDTH + _RIGHT, math.ceil(text_width(title, TITLE)) + 40)
    names = [curve.name for curve in curves]
    legend = Canvas(width, 10).legend(0, 0, names, width - _LEFT - _RIGHT)
    top = 44 + legend + 26
    canvas = Canvas(width, int(top + _HEIGHT + _BOTTOM))
    canvas.text(16, 12, title, size=TITLE)
    canvas.legend(_LEFT, 44, names, width - _LEFT - _RIGHT)
    across = round_scale([v for curve in curves for v in curve.x], _LEFT, width - _RIGHT)
    up = round_scale([v for curve in curves for v in curve.y], top + _HEIGHT, top)
    for tick in up.ticks():
        canvas.draw.line((_LEFT, up.at(tick), width - _RIGHT, up.at(tick)), fill=LINE)
        canvas.text(_LEFT - 8, up.at(tick), number_text(tick), anchor="rm", fill=GREY, size=SMALL)
    for tick in across.ticks():
        canvas.draw.line((across.at(tick), top, across.at(tick), top + _HEIGHT), fill=LINE)
        canvas.text(across.at(tick), top + _HEIGHT + 8, number_text(tick), anchor="ma", fill=GREY, size=SMALL)
    canvas.text((_LEFT + width - _RIGHT) / 2, top + _HEIGHT + 30, x_title, anchor="ma")
    canvas.text(16, top - 16, y_title, anchor="lm", fill=GREY, size=SMALL)
    canvas.draw.line((_LEFT, up.at(0), width - _RIGHT, up.at(0)), fill=INK)
    canvas.draw.line((across.at(0), top, across.at(0), top + _HEIGHT), fill=INK)
    if diagonal:
        low, high = max(across.low, up.low), min(across.high, up.high)
        canvas.draw.line((across.at(low), up.at(low), across.at(high), up.at(high)), fill=GREY)
    for number, curve in enumerate(curves):
        points = [
            (across.at(x), up.at(y))
            for x, y in zip(curve.x, curve.y, strict=True)
            if math.isfinite(x) and math.isfinite(y)
        ]
        if len(points) > 1:
            canvas.draw.line(points, fill=colour(number), width=3, joint="curve")
        for x, y in points:
            canvas.draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour(number))
    return canvas.image

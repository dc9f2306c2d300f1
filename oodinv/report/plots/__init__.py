"""Plots as pictures, drawn with Pillow: bars, curves, heat maps."""

from oodinv.report.plots.bars import bar_plot
from oodinv.report.plots.curves import Curve, curve_plot
from oodinv.report.plots.heat_map import heat_map

__all__ = ["Curve", "bar_plot", "curve_plot", "heat_map"]

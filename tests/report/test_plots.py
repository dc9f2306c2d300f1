import math

import numpy as np
import pytest

from oodinv.report.picture_grid import GridSection, picture_grid
from oodinv.report.plots import Curve, bar_plot, curve_plot, heat_map
from oodinv.report.plots.canvas import COLOURS, number_text, round_scale
from oodinv.report.plots.heat_map import _NEGATIVE, _POSITIVE


def count(picture, colour):
    return int((np.asarray(picture) == np.array(colour)).all(axis=-1).sum())


def test_a_scale_ends_on_round_steps_and_holds_its_values():
    scale = round_scale([3.0, 27.3], 100, 0)
    assert (scale.low, scale.high, scale.step) == (0, 30, 10)
    assert scale.at(0) == 100 and scale.at(15) == 50 and scale.at(99) == 0
    assert scale.ticks() == [0, 10, 20, 30]
    negative = round_scale([-0.28, 0.13], 0, 1)
    assert negative.low <= -0.28 and negative.high >= 0.13 and 0 in negative.ticks()
    assert round_scale([0.55, 1.0], 0, 1, from_zero=False).low <= 0.55
    assert round_scale([math.nan], 0, 1).high == 1


def test_bars_are_as_high_as_their_values():
    plot = bar_plot("title", ["a"], {"x": [10.0], "y": [20.0], "z": [math.nan]})
    swatch = 15 * 15
    low, high, none = (count(plot, colour) - swatch for colour in COLOURS[:3])
    assert high / low == pytest.approx(2, abs=0.05) and none == 0


def test_a_series_must_fit_the_groups():
    with pytest.raises(ValueError, match="needs 2 values, got 1"):
        bar_plot("title", ["a", "b"], {"x": [1.0]})


def test_curves_lie_where_their_points_are_and_leave_out_what_is_no_number():
    rising = Curve(name="", x=[0, 1, 2], y=[0.0, math.nan, 2.0])
    plot = np.asarray(curve_plot("title", [rising], x_title="x", y_title="y"))
    rows, columns = np.nonzero((plot[90:] == np.array(COLOURS[0])).all(axis=-1))
    assert np.corrcoef(rows, columns)[0, 1] < -0.99  # a straight line upwards


def test_the_ends_of_a_heat_map_are_the_largest_values():
    values = np.array([[2.0, -2.0], [0.0, math.nan]])
    plot = heat_map("title", ["a", "b"], ["c", "d"], values, unit="u", framed=[(0, 0)])
    # Once in the matrix; in the scale below them the ends are two columns wide.
    assert count(plot, _POSITIVE) > 1000 and count(plot, _NEGATIVE) > 1000


def test_numbers_have_three_digits_and_nan_is_a_dash():
    assert [number_text(v) for v in (0.12345, 27.31, 312.4, math.nan)] == ["0.123", "27.3", "312", "–"]


def test_pictures_lie_in_order_under_their_titles():
    reds = [np.full((8, 8, 3), (value, 0, 0), np.uint8) for value in (100, 150, 200)]
    section = GridSection(title="t", pictures=[reds[0], None, reds[1], reds[2]], columns=2, captions=["a", "b"])
    sheet = np.asarray(picture_grid([section], tile=16))
    found = [tuple(np.argwhere((sheet == picture[0, 0]).all(axis=-1)).min(axis=0)) for picture in reds]
    assert found[0][1] == found[1][1] < found[2][1] and found[0][0] < found[1][0] == found[2][0]
    with pytest.raises(ValueError, match="at least one picture"):
        picture_grid([GridSection(title="t", pictures=[], columns=2)], tile=16)

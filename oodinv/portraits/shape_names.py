"""The local shape changes of Anny's head that portraits vary; paired ones move left and right together."""

_CENTRE = """
chin-jaw-drop-incr chin-height-incr chin-prominent-incr chin-bones-incr chin-width-incr chin-cleft-incr
chin-prognathism-incr eyebrows-angle-up eyebrows-trans-up eyebrows-trans-forward forehead-temple-incr
forehead-trans-forward forehead-scale-vert-incr forehead-nubian-incr head-scale-vert-incr head-fat-incr
head-back-scale-depth-incr head-scale-depth-incr head-scale-horiz-incr mouth-lowerlip-height-incr
mouth-scale-horiz-incr mouth-cupidsbow-incr mouth-laugh-lines-out mouth-lowerlip-volume-incr mouth-angles-up
mouth-lowerlip-width-incr mouth-trans-forward mouth-upperlip-width-incr mouth-scale-vert-incr
mouth-upperlip-height-incr mouth-upperlip-volume-incr mouth-trans-up mouth-philtrum-volume-incr neck-double-incr
neck-scale-horiz-incr nose-nostrils-angle-up nose-flaring-incr nose-curve-convex nose-scale-depth-incr
nose-scale-vert-incr nose-point-width-incr nose-scale-horiz-incr nose-width1-incr nose-trans-up nose-hump-incr
nose-nostrils-width-incr nose-greek-incr nose-point-up nose-width2-incr nose-width3-incr nose-base-up
nose-volume-incr
""".split()

_PAIRED = """
cheek-trans-up cheek-volume-incr cheek-inner-incr cheek-bones-incr ear-lobe-incr ear-scale-incr ear-wing-incr
ear-trans-up eye-corner1-up eye-height1-incr eye-scale-incr eye-eyefold-up eye-height3-incr eye-height2-incr
eye-bag-incr eye-trans-up eye-epicanthus-out eye-corner2-up eye-trans-out
""".split()

SHAPE_NAMES: tuple[str, ...] = tuple(_CENTRE) + tuple(f"both-{name}" for name in _PAIRED)
"""``both-x`` stands for Anny's ``l-x`` and ``r-x``."""

_STRONG = {"both-eye-trans-out": 0.25, "both-ear-wing-incr": 0.6, "head-scale-vert-incr": 0.6, "neck-double-incr": 0.5}
"""Changes whose full range leaves the plausible, with the share of it that is used."""


def local_changes(values: tuple[float, ...]) -> dict[str, float]:
    """Anny's keyword dictionary for one value per name of ``SHAPE_NAMES``.

    Raises:
        ValueError: The number of values is not the number of names.
    """
    if len(values) != len(SHAPE_NAMES):
        raise ValueError(f"expected {len(SHAPE_NAMES)} shape values, got {len(values)}")
    changes: dict[str, float] = {}
    for name, value in zip(SHAPE_NAMES, values, strict=True):
        scaled = value * _STRONG.get(name, 1.0)
        if name.startswith("both-"):
            changes["l-" + name[5:]] = changes["r-" + name[5:]] = scaled
        else:
            changes[name] = scaled
    return changes

"""Edit directions from labels.

Styles are regressed on all standardised labels at once: the coefficient of an attribute is the mean displacement of
w when that attribute rises by one standard deviation and the others stay. So +1 is one standard deviation by
construction, and what correlates with the attribute through another label is not part of its direction.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def fit_directions(
    w: Float[Tensor, "count style_dim"], labels: Mapping[str, np.ndarray], names: Sequence[str]
) -> dict[str, Float[Tensor, " style_dim"]]:
    """Fit one direction per named attribute.

    Args:
        w: Styles of labelled portraits.
        labels: Values per portrait; all of them take part in the regression.
        names: Attributes wanted.

    Returns:
        Direction by name, in units of one standard deviation of the attribute.

    Raises:
        KeyError: A name has no label.
        ValueError: An attribute does not vary.
    """
    columns = []
    for name, values in labels.items():
        column = torch.from_numpy(np.asarray(values, dtype=np.float64))
        if column.std() < 1e-9:
            raise ValueError(f"label {name!r} does not vary over {len(column)} portraits: no direction can be fitted")
        columns.append((column - column.mean()) / column.std())
    missing = [name for name in names if name not in labels]
    if missing:
        raise KeyError(f"no label for {missing}: expected names among {sorted(labels)}")
    design = torch.stack([torch.ones_like(columns[0]), *columns], dim=1)
    coefficients = torch.linalg.lstsq(design, w.double()).solution
    order = list(labels)
    return {name: coefficients[1 + order.index(name)].float() for name in names}

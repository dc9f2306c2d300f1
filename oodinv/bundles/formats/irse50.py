"""The identity network of pSp and e4e: `model_ir_se50.pth` (ArcFace, Deng et al. 2019, arXiv 1801.07698).

Layout: a flat state dict, the IR-SE backbone and `output_layer.{0,3,4}`: batch norm, linear layer, batch norm (1 and 2
have no weights).
"""

import math
from collections.abc import Mapping

from torch import Tensor

from oodinv.bundles.formats.irse import COUNTERS, backbone_rows, backbone_shape, is_backbone
from oodinv.bundles.formats.parts import IdentityPart
from oodinv.bundles.formats.table import Row, axis, to_ours, weights_of
from oodinv.bundles.spec import BundleError
from oodinv.models.identity import IdentityConfig, IdentityNetwork

OUTPUT = (
    Row("output_layer.0.*", "map_norm.*"),
    Row("output_layer.3.*", "linear.*"),
    Row("output_layer.4.*", "embedding_norm.*"),
)


def is_identity_network(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has this layout."""
    return is_backbone(tensors) and "output_layer.3.weight" in tensors


def read_identity(tensors: Mapping[str, Tensor], what: str) -> IdentityPart:
    """Translate an identity network; its input resolution follows from the linear layer.

    Raises:
        BundleError: With what was expected and what came.
    """
    shape = backbone_shape(tensors, what)
    inputs, last = axis(tensors, "output_layer.3.weight", 1, 2, what), shape.widths[3]
    side = math.isqrt(inputs // last)
    if shape.num_in != 3 or side < 1 or side * side * last != inputs:
        raise BundleError(
            f"{what}: expected a network of colour images whose last map of {last} channels is square, got "
            f"{shape.num_in} channels in and {inputs} numbers before the linear layer"
        )
    config = IdentityConfig(
        input_resolution=16 * side,
        stem_width=shape.stem_width,
        widths=shape.widths,
        units=shape.units,
        embedding_dim=axis(tensors, "output_layer.3.weight", 0, 2, what),
    )
    weights = to_ours(
        tensors,
        (*backbone_rows(shape.units), *OUTPUT),
        weights_of(lambda: IdentityNetwork(config)),
        what=what,
        dropped=(*COUNTERS, "output_layer.{}.num_batches_tracked"),
    )
    return IdentityPart(config=config, weights=weights)

"""ReStyle encoders inside a checkpoint of the pSp framework (Alaluf et al. 2021, arXiv 2104.02699).

Layout: the IR-SE backbone over six channels (photo and current picture) and one style head per layer, all on the last
map. The number of passes is not in the weights; `n_iters_per_batch` of the options says how many training made.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from oodinv.bundles.formats.irse import COUNTERS, backbone_rows, backbone_shape, head_depths, head_rows
from oodinv.bundles.formats.parts import EncoderPart
from oodinv.bundles.formats.table import axis, to_ours, weights_of
from oodinv.bundles.spec import BundleError
from oodinv.models.restyle import RestyleConfig, RestyleEncoder

PASSES = 5


def read_encoder(
    tensors: Mapping[str, Tensor], what: str, options: Mapping[str, Any], *, progressive: bool
) -> EncoderPart:
    """Translate a ReStyle encoder.

    Args:
        tensors: Under the published names, without prefix.
        what: The file, for errors.
        options: Of the checkpoint.
        progressive: ReStyle over e4e; else over pSp.

    Raises:
        BundleError: With what was expected and what came.
    """
    shape = backbone_shape(tensors, what)
    if shape.num_in != 6:
        raise BundleError(
            f"{what} reads images of {shape.num_in} channels, a ReStyle encoder reads two pictures: expected 6"
        )
    depths = head_depths(tensors, what)
    if len(set(depths)) != 1:
        raise BundleError(f"{what}: expected style heads of equally many convolutions, got {depths}")
    passes = options.get("n_iters_per_batch", PASSES)
    config = RestyleConfig(
        num_layers=len(depths),
        style_dim=axis(tensors, "styles.0.linear.weight", 0, 2, what),
        input_resolution=16 * 2 ** depths[0],
        stem_width=shape.stem_width,
        widths=shape.widths,
        units=shape.units,
        head_width=axis(tensors, "styles.0.linear.weight", 1, 2, what),
        progressive=progressive,
        num_passes=passes if isinstance(passes, int) and 1 <= passes <= 100 else PASSES,
    )
    rows = (*backbone_rows(shape.units), *head_rows())
    weights = to_ours(tensors, rows, weights_of(lambda: RestyleEncoder(config)), what=what, dropped=COUNTERS)
    return EncoderPart(config=config, weights=weights)

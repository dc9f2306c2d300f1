"""Feature-Style encoders: `143_enc.pth` (Yao et al. 2022, arXiv 2209.00565).

Layout: a flat state dict without generator. `conv.{0,1,2}` is the stem, `block_1` to `block_4` are the stages of an
iresnet with `bn1, conv1, bn2, prelu, conv2, bn3` and, first in a stage, `downsample`; `content_layer` gives the map for
the generator, `styles` are plain linear layers over the pooled maps. The image is averaged to 256 pixels.
"""

from collections.abc import Mapping

from torch import Tensor

from oodinv.bundles.formats.parts import EncoderPart, Setting
from oodinv.bundles.formats.table import Numbers, Row, axis, count, to_ours, weights_of
from oodinv.models.featurestyle import FeatureStyleConfig, FeatureStyleEncoder

RESOLUTION, POOLED = 256, 3
"""Of the layout: no weight's shape tells them."""


def _from_one(stage: int, unit: int, *rest: int) -> Numbers:
    return stage + 1, unit, *rest


ROWS = (
    Row("conv.{}.*", "stem.{}.*"),
    Row("block_{}.{}.bn1.*", "stages.{}.{}.body.0.*", number=_from_one),
    Row("block_{}.{}.conv1.*", "stages.{}.{}.body.1.*", number=_from_one),
    Row("block_{}.{}.bn2.*", "stages.{}.{}.body.2.*", number=_from_one),
    Row("block_{}.{}.prelu.*", "stages.{}.{}.body.3.*", number=_from_one),
    Row("block_{}.{}.conv2.*", "stages.{}.{}.body.4.*", number=_from_one),
    Row("block_{}.{}.bn3.*", "stages.{}.{}.body.5.*", number=_from_one),
    Row("block_{}.{}.downsample.{}.*", "stages.{}.{}.shortcut.{}.*", number=_from_one),
    Row("content_layer.{}.*", "content.{}.*"),
    Row("styles.{}.*", "heads.{}.*"),
)
COUNTERS = (
    "conv.{}.num_batches_tracked",
    "block_{}.{}.bn{}.num_batches_tracked",
    "block_{}.{}.downsample.{}.num_batches_tracked",
    "content_layer.{}.num_batches_tracked",
)


def is_encoder(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has this layout."""
    return {"conv.0.weight", "block_1.0.bn1.weight", "content_layer.0.weight"} <= set(tensors)


def read_encoder(tensors: Mapping[str, Tensor], what: str, setting: Setting) -> EncoderPart:
    """Translate an encoder.

    Args:
        tensors: Under the published names.
        what: The file, for errors.
        setting: `paper` leaves the content out of the generator, as the released decomposition code does by accident.

    Raises:
        BundleError: With what was expected and what came.
    """
    widths = [axis(tensors, f"block_{stage}.0.conv1.weight", 0, 4, what) for stage in (1, 2, 3, 4)]
    units = [count(tensors, f"block_{stage}.{{}}.conv1.weight") for stage in (1, 2, 3, 4)]
    config = FeatureStyleConfig(
        num_layers=count(tensors, "styles.{}.weight"),
        style_dim=axis(tensors, "styles.0.weight", 0, 2, what),
        input_resolution=RESOLUTION,
        stem_width=axis(tensors, "conv.0.weight", 0, 4, what),
        widths=(widths[0], widths[1], widths[2], widths[3]),
        units=(units[0], units[1], units[2], units[3]),
        pooled=POOLED,
        content_width=axis(tensors, "content_layer.1.weight", 0, 4, what),
        inject_content=setting == "improved",
    )
    weights = to_ours(tensors, ROWS, weights_of(lambda: FeatureStyleEncoder(config)), what=what, dropped=COUNTERS)
    return EncoderPart(config=config, weights=weights)

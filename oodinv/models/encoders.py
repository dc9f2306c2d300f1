"""All encoders of the method: from a config to the network it is the shape of."""

from typing import assert_never

from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.encoding import CropEncoder
from oodinv.models.featurestyle import FeatureStyleConfig, FeatureStyleEncoder
from oodinv.models.restyle import RestyleConfig, RestyleEncoder

AnyEncoderConfig = EncoderConfig | RestyleConfig | FeatureStyleConfig


def make_encoder(config: AnyEncoderConfig) -> CropEncoder:
    """A network with random weights."""
    match config:
        case EncoderConfig():
            return Encoder(config)
        case RestyleConfig():
            return RestyleEncoder(config)
        case FeatureStyleConfig():
            return FeatureStyleEncoder(config)
        case _:
            assert_never(config)

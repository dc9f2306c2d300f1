"""Prepare a model whose weights do not change any more for fast evaluation. The numbers stay equal up to rounding."""

import torch

from oodinv.models.decomposition import LevelAligner
from oodinv.models.e4e import Encoder
from oodinv.models.inversion import InversionModel
from oodinv.models.restyle import RestyleEncoder
from oodinv.models.stylegan2 import StyledConv, ToRGB


def accelerate(model: InversionModel) -> None:
    """Merge the style heads' first convolutions; on a processor transform the kernels of wide 3x3 convolutions.

    The transformed kernels (`models.winograd`) take four times the memory of theirs. The model must be in evaluation
    and on its device; call it after the weights are loaded, and again after they change. Where a gradient is wanted,
    the plain way is taken.
    """
    on_cpu = next(model.parameters()).device == torch.device("cpu")
    for module in model.modules():
        if isinstance(module, Encoder | RestyleEncoder) or (on_cpu and isinstance(module, LevelAligner | StyledConv)):
            module.accelerate()


def compile_layers(model: InversionModel) -> None:
    """Compile encoder, aligners and generator layers with `torch.compile`, for one size of batch.

    Meant for GPUs, where it fuses what lies between the convolutions; the first call then takes minutes. On a processor
    `accelerate` is faster, and a compiled layer does without it.
    """
    model.encoder.compile(dynamic=False)
    for module in model.modules():
        if isinstance(module, LevelAligner | StyledConv | ToRGB):
            module.compile(dynamic=False)

"""Prepare a model whose weights do not change any more for fast evaluation. The numbers stay equal up to rounding."""

from oodinv.models.decomposition import LevelAligner
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import StyledConv


def accelerate(model: InversionModel) -> None:
    """Transform the kernels of wide 3x3 convolutions once (`models.winograd`), four times the memory of these kernels.

    The model must be in evaluation and on the processor; call it after the weights are loaded, and again after they
    change. Training is not affected.
    """
    for module in model.modules():
        if isinstance(module, LevelAligner | StyledConv):
            module.accelerate()

"""What the residual backbones here share: a stem at full resolution, then four stages that each halve it."""

from jaxtyping import Float
from torch import Tensor, nn

Four = tuple[int, int, int, int]


def make_stem(num_in: int, width: int) -> nn.Sequential:
    """3x3 convolution without bias, batch norm, PReLU."""
    return nn.Sequential(nn.Conv2d(num_in, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))


def activations(
    stem: nn.Module, stages: nn.ModuleList, image: Float[Tensor, "batch channel size size"]
) -> list[Float[Tensor, "batch _ _ _"]]:
    """What the stem and every stage give, from the image's resolution down."""
    maps = [stem(image)]
    for stage in stages:
        maps.append(stage(maps[-1]))
    return maps


def map_channels(input_resolution: int, stem_width: int, widths: Four) -> dict[int, int]:
    """Channels by resolution of the maps a decomposition may compare: the stem's and the first three stages'."""
    return {input_resolution // 2**k: width for k, width in enumerate((stem_width, *widths[:3]))}

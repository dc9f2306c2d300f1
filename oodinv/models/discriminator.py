"""StyleGAN2 discriminator, residual architecture (Karras et al. 2020). Needed only to train a generator."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.layers import EqualLinear, fir, leaky_relu
from oodinv.models.stylegan2 import GeneratorConfig


class EqualConv(nn.Module):
    """Convolution with equalised learning rate; optionally low-passed and strided by two."""

    def __init__(self, num_in: int, num_out: int, kernel: int, *, downsample: bool = False, activate: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, kernel, kernel))
        self.scale = 1 / math.sqrt(num_in * kernel * kernel)
        self.bias = nn.Parameter(torch.zeros(num_out)) if activate else None
        self.downsample = downsample
        self.kernel = kernel

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Apply the layer."""
        weight = self.weight * self.scale
        if self.downsample:
            pad = self.kernel + 1
            x = fir(x, pad=((pad + 1) // 2, pad // 2))
            x = F.conv2d(x, weight, stride=2)
        else:
            x = F.conv2d(x, weight, padding=self.kernel // 2)
        if self.bias is None:
            return x
        return leaky_relu(x + self.bias[:, None, None].to(x.dtype))


class Block(nn.Module):
    """Two convolutions with a strided shortcut; half the size."""

    def __init__(self, num_in: int, num_out: int):
        super().__init__()
        self.first = EqualConv(num_in, num_in, 3)
        self.second = EqualConv(num_in, num_out, 3, downsample=True)
        self.skip = EqualConv(num_in, num_out, 1, downsample=True, activate=False)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Residual sum of unit variance."""
        return (self.second(self.first(x)) + self.skip(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Image to one realness logit, with minibatch standard deviation."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        resolutions = config.resolutions[::-1]
        self.from_rgb = EqualConv(3, config.channels(resolutions[0]), 1)
        self.blocks = nn.ModuleList(Block(config.channels(a), config.channels(b)) for a, b in pairwise(resolutions))
        width = config.channels(4)
        self.last = EqualConv(width + 1, width, 3)
        self.linear = nn.Sequential(EqualLinear(width * 16, width, activate=True), EqualLinear(width, 1))

    def forward(self, image: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, " batch"]:
        """Score images in [-1, 1]; higher is more real."""
        x = self.from_rgb(image)
        for block in self.blocks:
            x = block(x)
        batch, _, height, width = x.shape
        group = 4 if batch % 4 == 0 else batch
        grouped = x.float().reshape(group, batch // group, -1)
        spread = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1)  # [batch / group]
        statistic = spread.repeat(group).view(batch, 1, 1, 1).expand(-1, -1, height, width)
        x = self.last(torch.cat([x, statistic.to(x.dtype)], dim=1))
        return self.linear(x.flatten(1))[:, 0]

"""More resolutions for a generator that has learned."""

from dataclasses import replace
from typing import cast

import torch

from oodinv.models.stylegan2 import Generator, ToRGB


def grow(generator: Generator, resolution: int) -> Generator:
    """A generator with more resolutions that draws the same picture, upsampled.

    The skip RGB architecture keeps every earlier layer as it is; new layers are drawn from torch's global source.
    """
    grown = Generator(replace(generator.config, resolution=resolution))
    state = grown.state_dict()
    state.update(generator.state_dict())
    grown.load_state_dict(state)
    for to_rgb in list(grown.to_rgbs)[len(generator.to_rgbs) :]:
        torch.nn.init.zeros_(cast(ToRGB, to_rgb).weight)
    return grown

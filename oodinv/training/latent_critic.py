"""A discriminator of styles, which keeps an encoder's codes where the mapping network's are (e4e, section 3.2)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LAYERS = 4


class LatentDiscriminator(nn.Module):
    """Styles to realness logits: four layers of the style's own width and one to a number."""

    def __init__(self, style_dim: int):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(_LAYERS):
            layers += [nn.Linear(style_dim, style_dim), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(style_dim, 1))

    def forward(self, w: Float[Tensor, "batch style_dim"]) -> Float[Tensor, " batch"]:
        """Score styles; higher is more like the mapping network's."""
        return self.layers(w)[:, 0]


class CodePool:
    """Codes of earlier steps beside new ones, so that the discriminator does not forget (Shrivastava et al. 2017)."""

    def __init__(self, size: int, style_dim: int):
        self.codes, self.size = torch.zeros(0, style_dim), size

    def exchange(
        self, codes: Float[Tensor, "batch style_dim"], rng: torch.Generator
    ) -> Float[Tensor, "batch style_dim"]:
        """Codes to train on: until the pool is full the new ones, then half of them exchanged for stored ones.

        Args:
            codes: New ones; all of them are stored until the pool is full.
            rng: Source of randomness, of the processor.
        """
        out = []
        for code in codes.detach().cpu():  # there and back once, not code by code
            if len(self.codes) < self.size:
                self.codes = torch.cat([self.codes, code[None]])
                out.append(code)
            elif torch.rand((), generator=rng) < 0.5:
                place = int(torch.randint(self.size, (), generator=rng))
                out.append(self.codes[place].clone())
                self.codes[place] = code
            else:
                out.append(code)
        return torch.stack(out).to(codes.device)


def latent_r1(w: Float[Tensor, "batch style_dim"], logits: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean squared gradient of the score at real styles; `w` must require a gradient."""
    (gradient,) = torch.autograd.grad(logits.sum(), w, create_graph=True)
    return gradient.square().sum(dim=1).mean()

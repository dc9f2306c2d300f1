"""Floating point operations of a model for one crop, counted by torch from the shapes that pass through it.

Counted are matrix products and convolutions, a multiply-add as two. Everything else (resampling, norms, activations,
the generator's low-pass filters) counts nothing, so that a share of a ceiling is never flattered by it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from oodinv.models.inversion import InversionModel


@dataclass(frozen=True, kw_only=True)
class Flops:
    """For one crop."""

    invert: int
    edit: int
    encoder: int
    """With the generator where the encoder looks at what it drew."""
    generator: int
    """Once."""
    draws: int
    """How often an inversion draws with the generator, the encoder's own looks not included."""

    @property
    def alignment(self) -> int:
        """What an inversion does beyond encoder and generator."""
        return self.invert - self.encoder - self.draws * self.generator

    @property
    def alignment_of_edit(self) -> int:
        """What an edit does beyond the generator."""
        return self.edit - self.generator


def count_flops(model: InversionModel) -> Flops:
    """Count without computing: tensors are shapes only, whatever the model's weights are."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        config, device = model.generator.config, model.generator.latent_avg.device
        crop = torch.zeros(1, 3, config.resolution, config.resolution, device=device)
        w_plus = torch.zeros(1, config.num_layers, config.style_dim, device=device)

        def draw(delta_w: torch.Tensor) -> torch.Tensor:
            return model.generator.synthesise(w_plus + delta_w)

        with _draws(model) as in_invert:
            invert, inversion = _counted(lambda: model.invert(crop))
        with _draws(model) as in_encoder:
            encoder, _ = _counted(lambda: model.encoder(crop, draw))
        edit, _ = _counted(lambda: model.edit(inversion, w_plus))
        generator, _ = _counted(lambda: model.generator.synthesise(w_plus))
    return Flops(invert=invert, edit=edit, encoder=encoder, generator=generator, draws=len(in_invert) - len(in_encoder))


def _counted(call: Callable[[], Any]) -> tuple[int, Any]:
    counter = FlopCounterMode(display=False)
    with counter:
        result = call()
    return counter.get_total_flops(), result


@contextmanager
def _draws(model: InversionModel) -> Iterator[list[None]]:
    """One entry for each time the generator draws."""
    drawn: list[None] = []
    synthesise = model.generator.synthesise

    def noted(*args: Any, **kwargs: Any) -> torch.Tensor:
        drawn.append(None)
        return synthesise(*args, **kwargs)

    model.generator.__dict__["synthesise"] = noted
    try:
        yield drawn
    finally:
        del model.generator.__dict__["synthesise"]

"""One configuration: how fast a model inverts and edits, and which part of it takes how long."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.clock import Timing, measure
from benchmarks.flops import Flops
from benchmarks.precision import DTYPES, Precise
from benchmarks.subject import Subject
from oodinv.engine.microbatch import is_out_of_memory


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Of one call over a batch."""

    per_s: float
    """Crops."""
    flops_per_s: float
    share_of_ceiling: float
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What is left of a whole when the parts that can be called alone are taken away; noise may make it negative."""

    seconds: float
    """Of a batch: a difference of medians."""
    share_of_ceiling: float | None
    """None where nothing is counted or no time is left."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Of one precision and batch."""

    dtype: str
    batch: int
    out_of_memory: bool = False
    """Then there are no numbers."""
    invert: Rate | None = None
    edit: Rate | None = None
    encoder: Rate | None = None
    """Called alone."""
    generator: Rate | None = None
    """Called alone; an inversion draws `Flops.draws` times."""
    alignment: Rest | None = None
    """Of an inversion: flows, masks and warps of all levels, and the blending."""
    alignment_of_edit: Rest | None = None


CALLS = 4
"""That a configuration measures."""


def measure_parts(
    subject: Subject,
    device: torch.device,
    dtype: str,
    batch: int,
    *,
    flops: Flops,
    ceiling: float,
    seconds: float,
    on_call: Callable[[str], object],
) -> Result:
    """Measure a configuration.

    Args:
        subject: Its model is on the device.
        device: Where it computes.
        dtype: One of `DTYPES`.
        batch: Crops in each call.
        flops: Of the model, for one crop.
        ceiling: FLOP/s of the machine in this precision.
        seconds: For each of the `CALLS` calls.
        on_call: Called with the call's name before each.
    """
    model = Precise(model=subject.model, device=device, dtype=DTYPES[dtype])
    config = subject.model.generator.config
    rng = torch.Generator().manual_seed(batch)
    crop = (torch.rand(batch, 3, subject.size, subject.size, generator=rng) * 2 - 1).to(device)
    offset = torch.randn(1, config.num_layers, config.style_dim, generator=rng).to(device)

    def rate(name: str, call: Callable[[], object], of_one: int) -> Rate:
        on_call(name)
        timing = measure(call, device=device, seconds=seconds)
        done = of_one * batch / timing.median_s
        return Rate(per_s=batch / timing.median_s, flops_per_s=done, share_of_ceiling=done / ceiling, timing=timing)

    try:
        invert = rate("invert", lambda: model.invert(crop), flops.invert)
        inversion = model.invert(crop)
        edit = rate("edit", lambda: model.edit(inversion, offset), flops.edit)  # noqa: F821 (deleted below, not yet)
        w_plus = inversion.w_plus
        del inversion  # the parts' peaks are their own
        encoder = rate("encoder", lambda: model.encode(crop), flops.encoder)
        generator = rate("generator", lambda: model.synthesise(w_plus), flops.generator)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Result(dtype=dtype, batch=batch, out_of_memory=True)
    drawn = generator.timing.median_s

    def rest(seconds: float, of_one: int) -> Rest:
        countable = seconds > 0 and of_one > 0
        return Rest(seconds=seconds, share_of_ceiling=of_one * batch / seconds / ceiling if countable else None)

    return Result(
        dtype=dtype,
        batch=batch,
        invert=invert,
        edit=edit,
        encoder=encoder,
        generator=generator,
        alignment=rest(invert.timing.median_s - encoder.timing.median_s - flops.draws * drawn, flops.alignment),
        alignment_of_edit=rest(edit.timing.median_s - drawn, flops.alignment_of_edit),
    )

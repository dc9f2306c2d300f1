"""Stretches of a training, each with its resolution, rate and losses."""

from collections.abc import Sequence
from dataclasses import dataclass

from oodinv.training.errors import TrainingError
from oodinv.training.optimising import check_rates


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training."""

    resolution: int
    images: int
    rate: float = 2e-3
    final_rate: float | None = None
    """Linear decay to this rate over the phase; None = constant."""
    adversarial: float = 0.0
    """Weight of the adversarial loss; beside a paired loss it is ramped in over the first third of the phase."""

    def __post_init__(self):
        """Refuse what cannot be."""
        check_rates(self.rate, self.rate if self.final_rate is None else self.final_rate)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where in its phases a training stands."""

    index: int
    phase: Phase
    step: int
    """In the phase."""
    steps: int
    """Of the phase."""
    images_before: int
    """Seen before this step, in all phases."""

    @property
    def done(self) -> float:
        """Share of the phase, from 0."""
        return self.step / self.steps

    @property
    def rate(self) -> float:
        """Learning rate of this step."""
        final = self.phase.rate if self.phase.final_rate is None else self.phase.final_rate
        return self.phase.rate + self.done * (final - self.phase.rate)


def total_steps(phases: Sequence[Phase], batch: int) -> int:
    """Steps of all phases."""
    return sum(phase.images // batch for phase in phases)


def position(phases: Sequence[Phase], batch: int, step: int) -> Position:
    """The phase that a step belongs to."""
    before = 0
    for index, phase in enumerate(phases):
        steps = phase.images // batch
        if step - before < steps:
            return Position(index=index, phase=phase, step=step - before, steps=steps, images_before=step * batch)
        before += steps
    raise IndexError(f"step {step} is beyond the last phase, which ends after {before} steps")


def check_phases(phases: Sequence[Phase], batch: int, *, resolution: int, size: int) -> None:
    """Refuse phases that do not lead to the network's resolution, or that the dataset has no pixels for.

    Raises:
        TrainingError: As said.
    """
    sides = [phase.resolution for phase in phases]
    if not phases or sides != sorted(sides) or sides[-1] != resolution:
        raise TrainingError(
            f"the phases' resolutions must grow up to the network's: expected the last to be {resolution}, got {sides}"
        )
    if sides[-1] > size:
        raise TrainingError(
            f"the dataset has crops of {size} pixels, the network draws {resolution}: choose a resolution up to {size}"
        )
    short = [phase for phase in phases if phase.images < batch]
    if short:
        raise TrainingError(f"every phase needs at least one batch of {batch} images, got one of {short[0].images}")

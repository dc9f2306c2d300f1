"""Complete configurations of the inverter's trainings: as released, and this project's own.

`released` has every term, weight and schedule of the released training of arXiv 2212.09262 but two things that do
nothing there: its adversarial term, whose picture is detached so that no gradient ever reaches the network, and its
flip, which turns one array twice. Here the first is left out, and crops are really mirrored, what goes in and what is
wanted alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from oodinv.models.decomposition import Choices
from oodinv.training.decomposition import DecompositionTraining
from oodinv.training.encoder import EncoderTraining
from oodinv.training.errors import TrainingError
from oodinv.training.loss_networks import ImageWeights

PresetName = Literal["improved", "unsupervised", "released"]

RELEASED_ITERATIONS, RELEASED_BATCH = 100_000, 2
"""The nominal length was 1.8 million; the rate falls so that 82 % of all it moves is done by 90,000."""
_EMA_DECAY_HALF_LIFE = 10_000 / 32
"""Iterations after which the average's old weights count half: its decay is 0.5 ^ (32 / 10,000)."""
_NO_RAMP = 1e12


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How both networks of an inverter are trained."""

    encoder: EncoderTraining
    decomposition: DecompositionTraining
    choices: Choices


def released(levels: Sequence[int] = (32, 64, 128, 256)) -> Preset:
    """The released training, and e4e's published recipe for the encoder it takes as given.

    VGG19 and ArcFace judge pictures where their weights are given; `LossNetworks` says what stands in for them.

    Args:
        levels: Resolutions of the decomposition, coarse to fine; the two coarsest may have a mask of 0.3, the others
            and the final one of 0.2, as the released ones.
    """
    limits = {resolution: 0.3 if number < 2 else 0.2 for number, resolution in enumerate(levels)}
    return Preset(
        encoder=EncoderTraining(
            images=200_000 * 8,
            batch=8,
            rate=1e-4,
            final_rate=1e-4,
            image=ImageWeights(square=1.0, perceptual=0.8, style=0.0, identity=0.1),
            latent_weight=0.0,
            delta_weight=2e-4,
            progressive_begin=20_000 * 8,
            progressive_every=2_000 * 8,
            adversarial=0.1,
            critic_rate=2e-5,
            background_weight=1.0,
            occluded_share=0.0,
            mirrored_share=0.5,
        ),
        decomposition=DecompositionTraining(
            images=RELEASED_ITERATIONS * RELEASED_BATCH,
            batch=RELEASED_BATCH,
            schedule="released",
            momentum=0.0,
            clip=999.0,
            image=ImageWeights(square=1.0, perceptual=1.0, style=50.0, identity=0.1),
            supervision=None,
            regularisation=5.0,
            binary_weight=0.04,
            area_limit=0.2,
            level_area_limits=limits,
            occluded_share=0.0,
            mirrored_share=0.5,
            ema_images=_EMA_DECAY_HALF_LIFE * RELEASED_BATCH,
            ema_ramp=_NO_RAMP,
        ),
        choices=Choices.paper(),
    )


def improved(*, supervised: bool = True) -> Preset:
    """What this project trains.

    Args:
        supervised: With the true masks of rendered and pasted occlusions; else the same with the paper's losses only:
            image and mask terms with their released weights and limits.
    """
    decomposition = DecompositionTraining()
    if not supervised:
        theirs = released().decomposition
        decomposition = replace(
            decomposition,
            supervision=None,
            image=theirs.image,
            regularisation=theirs.regularisation,
            # Half of a portrait is background, which is out of domain too: at 0.2 the hinge would fight the truth.
            area_limit=0.5,
        )
    return Preset(encoder=EncoderTraining(), decomposition=decomposition, choices=Choices.improved())


def preset(name: str, levels: Sequence[int] = ()) -> Preset:
    """By name: `improved`, `unsupervised` = the same with the paper's losses only, or `released`.

    Args:
        name: One of these.
        levels: Of the decomposition, where they are known; `released` has a limit for each.

    Raises:
        TrainingError: There is none of this name.
    """
    makers = {
        "improved": improved,
        "unsupervised": lambda: improved(supervised=False),
        "released": lambda: released(levels) if levels else released(),
    }
    if name not in makers:
        raise TrainingError(f"no preset {name!r}: expected one of {', '.join(makers)}")
    return makers[name]()

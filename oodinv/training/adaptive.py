"""How strongly a discriminator's pictures are augmented (Karras et al. 2020, arXiv 2006.06676, section 3)."""

from dataclasses import dataclass


@dataclass
class AdaptiveAugmentation:
    """Probability `p` of every augmentation, moved so that the discriminator's certainty stays at a target.

    r_t is the mean sign of its scores of real pictures: 0 = it cannot tell, 1 = it knows every one, which on few
    pictures means that it has learned them by heart.
    """

    target: float
    """Of r_t."""
    every: int
    """Steps between two movements."""
    images: float
    """Seen while p goes from 0 to 1 at the fastest."""
    p: float = 0.0
    signs: float = 0.0
    """Sum of the mean signs since the last movement."""
    steps: int = 0
    """Steps since the last movement."""

    def saw(self, mean_sign: float, batch: int) -> float | None:
        """Take note of one step's scores of real pictures.

        Args:
            mean_sign: In [-1, 1].
            batch: Images of the step.

        Returns:
            r_t where p was moved, else None.
        """
        self.signs, self.steps = self.signs + mean_sign, self.steps + 1
        if self.steps < self.every:
            return None
        certainty = self.signs / self.steps
        step = self.steps * batch / self.images
        self.p = min(1.0, max(0.0, self.p + (step if certainty > self.target else -step)))
        self.signs, self.steps = 0.0, 0
        return certainty

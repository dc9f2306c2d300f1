"""A training that is over in a moment: a straight line fitted to noise, with everything a real one has."""

import numpy as np
import torch

from oodinv.training import parallel


class ToyTrainer:
    """Adam on a linear layer; the loss of a chosen step can be no number."""

    kind = "toy"

    def __init__(self, *, rate=0.1, nan_at=None, poisoned_at=None, at_step=None):
        torch.manual_seed(0)
        self.rate, self.nan_at, self.poisoned_at, self.at_step = rate, nan_at, poisoned_at, at_step
        self.layer = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=rate)
        self.seen = []

    def fingerprint(self):
        return {"rate": self.rate, "shape": (3, 1)}

    def step(self, step):
        self.seen.append(step)
        if self.at_step is not None:
            self.at_step(step)
        rng = torch.Generator().manual_seed(parallel.step_seed(0, step))
        loss = (self.layer(torch.randn(8, 3, generator=rng)) - torch.randn(8, 1, generator=rng)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if step == self.poisoned_at:
            with torch.no_grad():
                self.layer.weight.fill_(np.inf)
        values = {"loss": float("nan") if step == self.nan_at else loss.item()}
        return values | ({"rare": float(step)} if step % 4 == 0 else {})

    def state(self):
        return {"layer": self.layer.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state):
        self.layer.load_state_dict(state["layer"])
        self.optimizer.load_state_dict(state["optimizer"])

    def grid(self):
        return [torch.full((4, 3, 8, 8), 0.5), torch.ones(2, 1, 4, 4)]

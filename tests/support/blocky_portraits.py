"""A dataset in memory whose masks and counterfactuals are known."""

import numpy as np

from oodinv.training.data import Dataset

COUNT, STORED = 8, 64


def synthetic(**changes) -> Dataset:
    """Eight blocky crops of 64 pixels: half with an accessory inside the silhouette, all with a background."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (COUNT, 3, 8, 8)).repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8)
    accessory = np.zeros((COUNT, STORED, STORED), np.uint8)
    accessory[::2, 8:24, 16:48] = 255
    silhouette = np.zeros((COUNT, STORED, STORED), np.uint8)
    silhouette[:, 8:, 12:52] = 255
    moved = (crops[..., ::-1].copy(), accessory, silhouette, {})
    fields = {
        "crops": crops,
        "accessory": accessory,
        "silhouette": silhouette,
        "kinds": [("hat", "", "glasses", "")[number % 4] for number in range(COUNT)],
        "counterfactuals": {"smile+2": moved, "yaw-1": moved, "blink+1": moved},
    }
    return Dataset.from_arrays(**(fields | changes))

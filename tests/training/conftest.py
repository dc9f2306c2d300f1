import numpy as np
import pytest

from oodinv.training.data import Dataset

COUNT, SIZE, PARAMETERS = 8, 32, 6


@pytest.fixture(scope="session")
def pack() -> Dataset:
    """Eight random crops of 32 pixels: half of them with an accessory, all with a background."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (COUNT, 3, 4, 4))
    accessory = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    accessory[::2, 4:12, 4:28] = 255
    silhouette = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    silhouette[:, 4:, 6:26] = 255
    return Dataset.from_arrays(
        crops=coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8),
        accessory=accessory,
        silhouette=silhouette,
        params=rng.normal(size=(COUNT, PARAMETERS)).astype(np.float32),
        labels={"smile": rng.normal(size=COUNT), "age": rng.normal(size=COUNT)},
        kinds=["hat" if index % 2 == 0 else "" for index in range(COUNT)],
    )

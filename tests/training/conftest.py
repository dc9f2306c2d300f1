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


class Stopped(Exception):
    """A training was stopped right after it had saved its state."""


@pytest.fixture
def stop_after(monkeypatch):
    """Make the k-th save of a training the last thing it does; without k, let it run."""
    from oodinv.training.run import Run

    save = Run.save

    def arrange(k=None):
        saves = []

        def counted(self, state):
            save(self, state)
            saves.append(state)
            if len(saves) == k:
                raise Stopped

        monkeypatch.setattr(Run, "save", counted)

    return arrange


@pytest.fixture
def resumes(stop_after, tmp_path):
    """Run a training undisturbed, and again stopped after its k-th save and resumed; both results' states."""

    def both(train, k):
        stop_after()
        undisturbed = train(tmp_path / "undisturbed").state_dict()
        stop_after(k)
        with pytest.raises(Stopped):
            train(tmp_path / "stopped")
        stop_after()
        return undisturbed, train(tmp_path / "stopped").state_dict()

    return both

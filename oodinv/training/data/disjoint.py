"""Nothing that a model is measured on may have been trained on."""

from oodinv.training.data.dataset import Dataset
from oodinv.training.data.errors import DatasetError


def assert_disjoint(train: Dataset, test: Dataset) -> None:
    """Check that two datasets share no seed, no accessory design and no picture.

    Raises:
        DatasetError: They do; the text names what and gives examples.
    """
    shared = {
        "seeds": {seed for seed in train.seeds.tolist() if seed >= 0} & set(test.seeds.tolist()),
        "accessory designs": ({design for design in train.designs if design}) & set(test.designs),
        "pictures": set(train.hashes) & set(test.hashes),
    }
    told = [
        f"{len(what)} {name} (such as {', '.join(str(one) for one in sorted(what)[:3])})"
        for name, what in shared.items()
        if what
    ]
    if told:
        raise DatasetError(
            f"what is trained on and what is measured on share {' and '.join(told)}: "
            "measure on another split, `oodinv portraits render --split test`"
        )

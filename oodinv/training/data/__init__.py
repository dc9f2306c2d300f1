"""Datasets for training and measuring: rendered portraits in shards, folders of photos, arrays.

`open_dataset` lists a folder (`shards`, `photos`), looks at every sample once (`examine`), keeps decoded crops where
they fit (`cache`) and returns a `Dataset`, which gives tensors by index.
"""

from oodinv.training.data.batches import pick
from oodinv.training.data.dataset import Dataset, LeftOut
from oodinv.training.data.disjoint import assert_disjoint
from oodinv.training.data.errors import DatasetError
from oodinv.training.data.joining import join_datasets
from oodinv.training.data.opening import open_dataset

__all__ = ["Dataset", "DatasetError", "LeftOut", "assert_disjoint", "join_datasets", "open_dataset", "pick"]

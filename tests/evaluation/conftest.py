from dataclasses import replace

import pytest
import torch
from blocky_portraits import synthetic
from tiny_bundle import tiny_fields, tiny_model, write_tiny_bundle

from oodinv.bundles.bundle import load_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.models.inversion import InversionModel
from oodinv.training.data import Dataset

SIZE = 32


@pytest.fixture(scope="session")
def portraits() -> Dataset:
    return synthetic()


@pytest.fixture(scope="session")
def photos() -> Dataset:
    """Without masks, kinds and counterfactuals, as a folder of photographs is."""
    return synthetic(accessory=None, silhouette=None, kinds=None, counterfactuals=None)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Inverter:
    return Inverter.from_bundle(str(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")))


@pytest.fixture(scope="session")
def keep_all(tmp_path_factory) -> Inverter:
    """Its mask is 1 everywhere: it copies the photo."""
    return Inverter.from_bundle(str(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "all", keep_all=True)))


class Scripted(InversionModel):
    """Inverts as it is told: with a given mask and a given picture."""

    def answer(self, mask, picture):
        self.mask, self.picture, self.seen = mask, picture, 0
        return self

    def invert(self, crop, **options):
        part = slice(self.seen, self.seen + len(crop))
        self.seen += len(crop)
        honest = super().invert(crop, **options)
        picture = self.picture[part]
        return replace(honest, ood_mask=self.mask[part], plain=picture, generated=picture)


@pytest.fixture
def scripted(tiny_bundle):
    """A function from masks and pictures, one per sample, to an inverter that answers with them."""

    def make(mask, picture):
        model = tiny_model()
        answering = Scripted(model.encoder, model.generator, model.decomposition).answer(mask, picture)
        return Inverter(replace(load_bundle(str(tiny_bundle)), model=answering.eval()))

    return make


class Brightness:
    """A regressor whose attributes are known functions of the picture."""

    def predict(self, crops):
        return {
            "smile": crops.mean(dim=(1, 2, 3)),
            "age": crops[:, 0].mean(dim=(1, 2)),
            "light": torch.zeros(len(crops)),
        }


@pytest.fixture
def regressor():
    return Brightness()


assert tiny_fields()["resolution"] == SIZE

import pytest
import torch
from tiny_bundle import tiny_model

from oodinv.models.accelerate import compile_layers


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compiled_layers_give_the_same_numbers():
    model, crop = tiny_model(), torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        inversion = model.invert(crop)
        edited = model.edit(inversion, torch.ones(1, 8, 24))
        compile_layers(model)
        again = model.invert(crop)
        torch.testing.assert_close(again.generated, inversion.generated, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(again.ood_mask, inversion.ood_mask, atol=1e-4, rtol=1e-4)
        found = model.edit(again, torch.ones(1, 8, 24)).generated
        torch.testing.assert_close(found, edited.generated, atol=1e-4, rtol=1e-4)

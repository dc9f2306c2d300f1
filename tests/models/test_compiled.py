import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = """
import torch
from tiny_bundle import tiny_model
from oodinv.models.accelerate import compile_layers

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
    print("compiled", sum(hasattr(m, "_compiled_call_impl") and m._compiled_call_impl is not None
                          for m in model.modules()))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compiled_layers_give_the_same_numbers():
    # In a process of its own: the compiler cannot follow the shape checks that tests put around every function.
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", COMPARE],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{root}:{root / 'tests' / 'support'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) > 0

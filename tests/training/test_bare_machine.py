"""The training runs where little more than torch is installed."""

import subprocess
import sys

ALLOWED = {"torch", "numpy", "PIL", "safetensors", "jaxtyping", "tqdm", "oodinv"}
WATCHED = """
import importlib, pkgutil, sys
import torch, numpy, PIL.Image, safetensors.torch, jaxtyping, tqdm
before = set(sys.modules)
import oodinv.training
for module in pkgutil.walk_packages(oodinv.training.__path__, "oodinv.training."):
    importlib.import_module(module.name)
new = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(*sorted(new))
print(*sorted(name for name in sys.modules if name.startswith(("oodinv.bundles", "oodinv.edits", "oodinv.store"))))
"""


def test_no_part_of_the_training_imports_more_than_a_bare_machine_has():
    ran = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    outside, rooms = ran.stdout.split("\n")[:2]
    # What torch brings along itself when some part of it is first used.
    assert set(outside.split()) - ALLOWED <= {"sympy", "mpmath", "opt_einsum", "networkx", "_cffi_backend"}
    assert rooms == ""


def test_the_embedded_models_decomposition_is_as_a_bundle_would_have_it():
    from oodinv.bundles.spec import decomposition_config
    from oodinv.models.decomposition import Choices
    from oodinv.training.embedded import LEVELS, encoder_config, generator_config, slim_decomposition

    generator = generator_config(20)
    encoder = encoder_config(generator)
    shape = slim_decomposition(generator, encoder)
    assert shape == decomposition_config(
        generator, encoder, levels=LEVELS, num_iterations=shape.num_iterations, width=shape.width,
        max_displacement=shape.max_displacement, choices=Choices.improved(),
    )  # fmt: skip

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

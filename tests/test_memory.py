import subprocess
import sys

import pytest

from oodinv.memory import keep_freed_memory

FAULTS = """
import resource, sys, torch
from oodinv.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
a = torch.ones(4 * 2**20)
for _ in range(3):
    a * 2
before = faults()
for _ in range(20):
    a * 2
print(faults() - before)
"""


def _faults(how):
    run = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux") or not keep_freed_memory(), reason="glibc's switch")
def test_large_tensors_are_made_on_pages_the_process_has():
    assert _faults("keep") < _faults("default") / 3

import subprocess
import sys

import pytest

MAPPED = """
import ctypes, sys, torch
from oodinv.memory import keep_freed_memory

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no switch")
before = mallinfo2().hblkhd
a = torch.ones(31 * 2**18)
print(mallinfo2().hblkhd - before)
"""
"""How many bytes of a tensor of 31 MiB lie in a mapping of its own, which goes back to the system when it is freed."""


def _mapped(how):
    run = subprocess.run([sys.executable, "-c", MAPPED, how], capture_output=True, text=True, check=False)
    for reason in ("no switch", "mallinfo2"):  # another C library, or glibc before 2.33
        if reason in run.stderr:
            pytest.skip(reason)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's switch")
def test_large_tensors_are_made_where_memory_is_kept():
    assert _mapped("default") >= 31 * 2**20
    assert _mapped("keep") == 0

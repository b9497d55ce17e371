"""What is asked of the system's memory."""

import subprocess
import sys

import pytest

KEEP = """
import ctypes
from sam2unet.system import memory
told = []
class Library:
    def __init__(self, name): self.real = real
    def mallopt(self, *words): told.append((*words, self.real.mallopt(*words)))
    def malloc_trim(self, keep): self.real.malloc_trim(keep)
real = ctypes.CDLL(None)
memory.ctypes.CDLL = Library
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
with memory.retain_freed_memory():
    before = resident()
    blocks = [b"x" * 2**20 * (i + 1) for i in range(20)]
    del blocks
    kept = resident() - before
print(told)
print(kept, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has it")
def test_freed_memory_is_kept_and_then_given_back():
    done = subprocess.run([sys.executable, "-c", KEEP], capture_output=True, text=True, check=True)
    told, found = done.stdout.splitlines()
    assert told == f"[(-3, {2**25}, 1), (-1, {2**31 - 1}, 1), (-1, {2**26}, 1)]"
    kept, left = map(int, found.split())
    assert kept > 150  # megabytes of 210
    assert left < 20

"""What the allocator is told, and that freed memory stays and then goes."""

import subprocess
import sys

import pytest

RETAIN = """
import ctypes
from sam2unet.system import memory
calls = []
class Library:
    def __init__(self, name): self.real = real
    def mallopt(self, *arguments): calls.append((*arguments, self.real.mallopt(*arguments)))
    def malloc_trim(self, pad): self.real.malloc_trim(pad)
real = ctypes.CDLL(None)
memory.ctypes.CDLL = Library
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
with memory.retain_freed_memory():
    before = resident()
    blocks = [b"x" * 2**20 * (i + 1) for i in range(20)]
    del blocks
    retained = resident() - before
print(calls)
print(retained, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has it")
def test_freed_memory_is_retained_and_then_returned():
    done = subprocess.run([sys.executable, "-c", RETAIN], capture_output=True, text=True, check=True)
    calls, megabytes = done.stdout.splitlines()
    assert calls == f"[(-3, {2**25}, 1), (-1, {2**31 - 1}, 1), (-1, {2**26}, 1)]"
    retained, left = map(int, megabytes.split())
    assert retained > 150  # of 210
    assert left < 20


def test_other_c_libraries_are_left_alone(monkeypatch):
    from sam2unet.system import memory

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    with memory.retain_freed_memory():
        pass

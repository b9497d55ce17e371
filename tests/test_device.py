"""What depends on the machine."""

import subprocess
import sys

import pytest

ASK = """
import ctypes
from sam2unet import device
answers = []
class Library:
    def __init__(self, name): pass
    def mallopt(self, *words): answers.append(real(*words))
real = ctypes.CDLL(None).mallopt
device.ctypes.CDLL = Library
device.keep_memory()
print(answers)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has it")
def test_the_allocator_takes_what_it_is_told():
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 1]"

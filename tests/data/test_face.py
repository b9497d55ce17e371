"""The room's face."""

import subprocess
import sys


def test_data_imports_without_torch():
    """Evaluation's processes read images and masks; each would take seconds and 200 MB for torch."""
    code = "import sys, sam2unet.data; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"

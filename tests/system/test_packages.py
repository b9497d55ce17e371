"""Optional packages."""

import subprocess
import sys

import pytest

from sam2unet.errors import InputError
from sam2unet.system import is_installed, require_package


def test_is_installed_imports_nothing():
    code = """if True:
        import sys
        from sam2unet.system import is_installed
        assert is_installed("torch") and "torch" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not is_installed("no_such_package")


@pytest.mark.parametrize(("package", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx"), ("onnx", "onnx")])
def test_require_package_says_how_to_install_it(package, extra, monkeypatch):
    monkeypatch.setattr("sam2unet.system.packages.find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"^{package} is not installed: pip install 'sam2unet\[{extra}\]'$"):
        require_package(package)


def test_require_package_accepts_an_installed_package():
    require_package("onnx")

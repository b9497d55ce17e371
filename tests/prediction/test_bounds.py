"""What memory a large picture and a large folder take. `make bounds` asks for 100 megapixels and 10,000 pictures."""

import os
import sys

import pytest
from PIL import Image

from sam2unet.export import export_model

WHOLE = "SAM2UNET_BOUNDS" in os.environ
SIDE, PICTURES = (10_000, 10_000) if WHOLE else (6_000, 500)
WAYS: list[tuple[tuple[object, ...], float]] = [(("--tile", SIDE // 8), 10)]
if WHOLE:
    saved = [f"--save={kind}" for kind in ("overlay", "probability", "npy", "cutout")]
    WAYS += [((), 10), (("--tile", 80), 16), (("--tile", SIDE // 8, *saved), 32)]
    WAYS += [(("--tile", SIDE // 8, "--min-part=9", "--save=table"), 16)]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")


@pytest.fixture
def peak(network, tmp_path, peak_of):
    """Of a prediction, in bytes."""
    model = export_model(network(), tmp_path, "m", "onnx")
    words = ("predict", model, "--out", tmp_path / "out", "--quiet", "--overwrite")
    return lambda folder, *options: peak_of("from sam2unet.commands import main; main()", *words, folder, *options)[1]


def test_a_picture_takes_bytes_for_its_pixels(peak, tmp_path, photo):
    for name, side in (("small", 64), ("large", SIDE)):
        (tmp_path / name).mkdir()
        for i in range(2):  # of the large ones, one is predicted while the next is read or the last written
            Image.fromarray(photo(64, 64)).resize((side, side)).save(tmp_path / name / f"{i}.jpg")
    base = peak(tmp_path / "small")
    for options, most in WAYS:
        bytes_each = (peak(tmp_path / "large", *options) - base) / SIDE**2
        print(f"{' '.join(map(str, options)) or 'masks'}: {bytes_each:.1f} bytes a pixel")
        assert bytes_each < most


def test_a_folder_takes_little_for_each_picture(peak, tmp_path, photo):
    Image.fromarray(photo(256, 256)).save(tmp_path / "a.jpg")
    content, few = (tmp_path / "a.jpg").read_bytes(), PICTURES // 10
    for name, number in (("few", few), ("many", PICTURES)):
        (tmp_path / name).mkdir()
        for i in range(number):
            (tmp_path / name / f"{i}.jpg").write_bytes(content)
    grown = peak(tmp_path / "many") - peak(tmp_path / "few")
    print(f"{grown / (PICTURES - few) / 1e3:.2f} kB a picture")
    assert grown < 5e6 + 2e3 * (PICTURES - few)  # one that stayed would be 200 kB

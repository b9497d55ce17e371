"""The memory of a large image and of a large folder. `make bounds` takes 100 megapixels and 10,000 images."""

import os
import sys

import pytest
from PIL import Image

from sam2unet.export import export_model

WHOLE = "SAM2UNET_BOUNDS" in os.environ
SIDE, IMAGES = (10_000, 10_000) if WHOLE else (6_000, 500)
RUNS: list[tuple[tuple[object, ...], float]] = [(("--tile", SIDE // 8), 10)]
if WHOLE:
    saved = [f"--save={kind}" for kind in ("overlay", "probability", "npy", "cutout")]
    RUNS += [((), 10), (("--tile", 80), 16), (("--tile", SIDE // 8, *saved), 32)]
    RUNS += [(("--tile", SIDE // 8, "--min-part=9", "--save=table"), 16)]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def peak(network, tmp_path, peak_of):
    """The peak memory of a prediction, in bytes."""
    model = export_model(network(), tmp_path, "m", "onnx")
    words = ("predict", model, "--out", tmp_path / "out", "--quiet", "--overwrite")
    return lambda folder, *options: peak_of("from sam2unet.commands import main; main()", *words, folder, *options)[1]


def test_memory_of_a_large_image_is_some_bytes_per_pixel(peak, tmp_path, photo):
    for name, side in (("small", 64), ("large", SIDE)):
        (tmp_path / name).mkdir()
        for i in range(2):  # while a large one is predicted, the next is read or the last one written
            Image.fromarray(photo(64, 64)).resize((side, side)).save(tmp_path / name / f"{i}.jpg")
    base = peak(tmp_path / "small")
    for options, most in RUNS:
        per_pixel = (peak(tmp_path / "large", *options) - base) / SIDE**2
        print(f"{' '.join(map(str, options)) or 'masks'}: {per_pixel:.1f} bytes per pixel")
        assert per_pixel < most


def test_memory_of_a_folder_hardly_grows_with_its_images(peak, tmp_path, photo):
    Image.fromarray(photo(256, 256)).save(tmp_path / "a.jpg")
    content, few = (tmp_path / "a.jpg").read_bytes(), IMAGES // 10
    for name, number in (("few", few), ("many", IMAGES)):
        (tmp_path / name).mkdir()
        for i in range(number):
            (tmp_path / name / f"{i}.jpg").write_bytes(content)
    grown = peak(tmp_path / "many") - peak(tmp_path / "few")
    print(f"{grown / (IMAGES - few) / 1e3:.2f} kB per image")
    assert grown < 5e6 + 2e3 * (IMAGES - few)  # an image that stayed in memory would take 200 kB

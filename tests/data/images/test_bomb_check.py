"""Large images are read by us, and Pillow's limit still holds for everybody else in the process."""

import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import open_header, open_image, pixel_count, read_frames, read_image
from sam2unet.data.images.bomb_check import without_bomb_check


def write_black_png(path: Path, width: int, height: int) -> None:
    """One bit per pixel, written row by row: Pillow would need a byte per pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + (width + 7) // 8)) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host program's own limit: Pillow refuses images of more than 200 pixels."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)


def write_noise(path: Path, rng: np.random.Generator, frames: int = 1, **options: object) -> Path:
    first, *others = (Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(frames))
    first.save(path, **({"save_all": True, "append_images": others} if others else {}), **options)
    return path


def assert_refused_elsewhere(path: Path) -> None:
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)


HOST = """
import sys, warnings
from PIL import Image
limit, check = Image.MAX_IMAGE_PIXELS, Image._decompression_bomb_check
import sam2unet.data
assert Image.MAX_IMAGE_PIXELS == limit
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert sam2unet.data.open_image(sys.argv[1]).size == (12000, 9000)
    assert sam2unet.data.pixel_count(sys.argv[2]) == 200_000_000
assert not caught, caught[0].message
assert (Image.MAX_IMAGE_PIXELS, Image._decompression_bomb_check) == (limit, check)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    Image.open(sys.argv[1])
assert caught[0].category is Image.DecompressionBombWarning
try:
    Image.open(sys.argv[2])
except Image.DecompressionBombError:
    print("refused")
"""


def test_importing_and_reading_leaves_pillows_limit_to_the_host_program(tmp_path):
    write_black_png(tmp_path / "large.png", 12000, 9000)  # Pillow warns from 89 million pixels on
    write_black_png(tmp_path / "larger.png", 20000, 10000)  # and refuses from 179 million on
    command = [sys.executable, "-c", HOST, str(tmp_path / "large.png"), str(tmp_path / "larger.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jpg", ".png", ".tif", ".webp"])
def test_read_image_ignores_the_hosts_limit_for_each_format(suffix, rng, tmp_path):
    path = write_noise(tmp_path / f"a{suffix}", rng)
    assert read_image(path).size == (30, 20)
    assert pixel_count(path) == 600
    assert_refused_elsewhere(path)


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif", ".webp"])
def test_read_frames_ignores_the_hosts_limit_for_each_format(suffix, rng, tmp_path):
    path = write_noise(tmp_path / f"a{suffix}", rng, frames=3)
    for index, read in read_frames(path):
        assert_refused_elsewhere(path)  # the host's own code runs between two frames
        assert read().size == (30, 20), index
    assert_refused_elsewhere(path)


@pytest.mark.usefixtures("low_limit")
def test_open_header_lets_nothing_else_pass_inside_its_block(rng, tmp_path):
    path = write_noise(tmp_path / "a.png", rng)
    with open_header(path) as image:
        assert image.size == (30, 20)
        assert_refused_elsewhere(path)


@pytest.mark.usefixtures("low_limit")
def test_exif_rotation_ignores_the_hosts_limit(rng, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(write_noise(tmp_path / "a.jpg", rng, exif=exif)).size == (20, 30)


@pytest.mark.usefixtures("low_limit")
def test_without_bomb_check_holds_for_its_own_thread_only(rng, tmp_path):
    path = write_noise(tmp_path / "a.png", rng)
    check = Image._decompression_bomb_check
    inside, finished, outcome = threading.Event(), threading.Event(), []

    def read() -> None:
        with without_bomb_check():
            inside.set()
            finished.wait(10)
            with Image.open(path) as image:
                outcome.append(image.size)

    thread = threading.Thread(target=read)
    thread.start()
    inside.wait(10)
    assert_refused_elsewhere(path)
    assert read_image(path).size == (30, 20)  # a shorter block that ends while the other goes on
    assert_refused_elsewhere(path)
    finished.set()
    thread.join()
    assert outcome == [(30, 20)]
    assert Image._decompression_bomb_check is check
    assert_refused_elsewhere(path)


@pytest.mark.usefixtures("low_limit")
def test_without_bomb_check_ends_with_an_exception(tmp_path):
    check = Image._decompression_bomb_check
    with pytest.raises(RuntimeError), without_bomb_check():
        raise RuntimeError
    assert Image._decompression_bomb_check is check

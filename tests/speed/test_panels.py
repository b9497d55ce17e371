import sys

import numpy as np
from PIL import Image


def test_panels_show_the_part_with_most_of_the_object(tmp_path, monkeypatch):
    from panels import main

    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (200, 400, 3), np.uint8), np.zeros((200, 400), np.uint8)
    mask[:40, 300:] = 255
    for name, pixels in (("image", image), ("mask", mask), ("found", 255 - mask)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / f"{name}.png") for name in ("image", "mask", "row", "found")]
    monkeypatch.setattr(sys, "argv", ["panels.py", *files[:3], f"a network={files[3]}"])
    main()
    row = np.asarray(Image.open(files[2]))[24::2, ::2]  # each pixel is 2x2
    first, second, third = (row[:, start : start + 160] for start in (0, 164, 328))
    assert np.array_equal(first, image[:160, 240:])
    assert np.array_equal(second[..., 0], mask[:160, 240:])
    assert np.array_equal(third[..., 0], 255 - mask[:160, 240:])

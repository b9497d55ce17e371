"""Sample scenes."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from sam2unet.data import write_scenes
from sam2unet.data.scenes import draw_lines
from sam2unet.errors import InputError


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


@pytest.mark.parametrize("kind", ["objects", "lines"])
def test_write_scenes_depends_on_the_seed_alone(kind, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_scenes(tmp_path / name, train=2, test=1, side=64, seed=seed, kind=kind)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[name] != c[name] for name in a)


def test_write_scenes_refuses_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not empty"):
        write_scenes(tmp_path)


def test_lines_are_dark_and_one_to_three_pixels_wide():
    for seed in range(4):
        image, mask = draw_lines(np.random.default_rng(seed), 256)
        assert image.shape == (256, 256, 3)
        assert set(np.unique(mask)) == {0, 255}
        assert 0.005 < (mask > 0).mean() < 0.1
        assert image[mask > 0].mean() < image[mask == 0].mean() - 10
        assert binary_erosion(mask > 0, np.ones((5, 5))).mean() < 1e-3  # only crossings are wider


def test_lines_are_of_one_kind(tmp_path):
    with pytest.raises(InputError, match="of one kind"):
        write_scenes(tmp_path / "x", kinds=2, kind="lines")

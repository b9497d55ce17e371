import numpy as np
import pytest
from PIL import Image


def test_draw_wall_has_dark_cracks_where_the_mask_is(rng):
    from tiles import draw_wall

    image, mask = (np.asarray(image, float) for image in draw_wall(128, 2, rng))
    assert image.shape == (128, 128, 3)
    assert set(np.unique(mask)) == {0, 255}
    assert 0.001 < (mask > 0).mean() < 0.2
    assert image[mask > 0].mean() < image[mask == 0].mean() - 10


def test_score_views_agrees_with_numpy_on_the_written_masks(model_file, tmp_path):
    from tiles import score_views, write_walls

    from sam2unet import Views

    write_walls(tmp_path / "test", 2, 256, 4, seed=3)
    views = {"whole": Views(), "tiles": Views(128, 0), "flips": Views(128, flip=True)}
    rows, figures = score_views(model_file, tmp_path / "test", 256, tmp_path / "out", views)
    assert [figure["passes"] for figure in figures] == [1, 4, 18]  # overlap 0.25: tiles start at 0, 64 and 128
    for name, row in zip(views, rows, strict=True):
        dice, iou = [], []
        for file in sorted((tmp_path / "test/masks").iterdir()):
            found, truth = (np.asarray(Image.open(f)) > 127 for f in (tmp_path / "out" / name / file.name, file))
            overlap = (found & truth).sum()
            dice.append(2 * overlap / (found.sum() + truth.sum()))
            iou.append(overlap / (found | truth).sum())
        assert 0 < np.mean(dice) < 1
        assert row[:3] == [name, f"{np.mean(dice):.3f}", f"{np.mean(iou):.3f}"]


def test_a_network_is_trained_and_scored(run_script):
    result = run_script("tiles", "--epochs", "1", "--crops", "8", "--images", "1", "--views", "1")
    (row,), (figure,) = result["table"]["rows"], result["figures"]["rows"]
    assert row == ["whole image", f"{figure['metrics']['Dice']:.3f}", f"{figure['metrics']['IoU']:.3f}", "1"]
    dice = figure["metrics"]["Dice"]
    assert figure["metrics"]["IoU"] == pytest.approx(dice / (2 - dice))  # of a single image

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import write_scenes


def test_score_views_agrees_with_numpy_on_the_written_masks(model_file, tmp_path):
    from tiles import score_views

    from sam2unet import Views

    write_scenes(tmp_path / "data", 1, 2, 256, kind="lines")
    test = tmp_path / "data/test"
    views = {"whole": Views(0), "tiles": Views(128, 0), "flips": Views(128, 0.25, flip=True)}
    rows, figures = score_views(model_file, test, 256, tmp_path / "out", views)
    assert [figure["passes"] for figure in figures] == [1, 4, 18]  # overlap 0.25: tiles start at 0, 64 and 128
    for name, row in zip(views, rows, strict=True):
        dice, iou = [], []
        for file in sorted((test / "masks").iterdir()):
            found, truth = (np.asarray(Image.open(f)) > 127 for f in (tmp_path / "out" / name / file.name, file))
            overlap = (found & truth).sum()
            dice.append(2 * overlap / (found.sum() + truth.sum()))
            iou.append(overlap / (found | truth).sum())
        assert 0 < np.mean(dice) < 1
        assert row[:3] == [name, f"{np.mean(dice):.3f}", f"{np.mean(iou):.3f}"]


def test_a_network_is_trained_scored_and_shown(run_script, tmp_path):
    example = tmp_path / "tiles.png"
    options = "--steps", "2", "--train", "2", "--images", "1", "--views", "1", "--example", str(example)
    result = run_script("tiles", *options)
    panels = np.asarray(Image.open(example).convert("L"))[24:]
    assert panels.shape == (320, 3 * 320 + 2 * 8)  # image, mask, whole image
    assert {*np.unique(panels[:, 328:648])} == {0, 255}  # the mask
    (row,), (figure,) = result["table"]["rows"], result["figures"]["rows"]
    assert row == ["whole image", f"{figure['metrics']['Dice']:.3f}", f"{figure['metrics']['IoU']:.3f}", "1"]
    dice = figure["metrics"]["Dice"]
    assert figure["metrics"]["IoU"] == pytest.approx(dice / (2 - dice))  # of a single image

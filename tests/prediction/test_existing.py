"""Outputs that exist: kept, checked against their images, replaced only on request; inputs are never replaced."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sam2unet import Predictor
from sam2unet.prediction import Outputs, find_inputs, predict_folder


@pytest.fixture
def predict_into(network, folder, tmp_path):
    """Predicts into out/, by default the folder's three images, with torch."""
    predictor = Predictor(network(), "cpu", "torch")

    def call(*inputs, save=(), out=tmp_path / "out", **options):
        found = find_inputs(inputs or [folder], out)
        return predict_folder(predictor, found, out, Outputs(frozenset(save)), **options)

    return call


def messages(result):
    return [str(error) for error in result.failed]


def pixels(path):
    return np.asarray(Image.open(path))


def test_existing_masks_are_kept_and_missing_ones_predicted(predict_into, tmp_path):
    predict_into()
    os.utime(tmp_path / "out/a.png", (1, 1))
    (tmp_path / "out/b.png").unlink()
    result = predict_into()
    assert (result.done, result.kept) == (1, 2)
    assert (tmp_path / "out/a.png").stat().st_mtime == 1


def test_overwrite_predicts_existing_masks_again(predict_into, tmp_path):
    predict_into()
    os.utime(tmp_path / "out/a.png", (1, 1))
    result = predict_into(overwrite=True)
    assert (result.done, result.kept) == (3, 0)
    assert (tmp_path / "out/a.png").stat().st_mtime > 1


def test_missing_outputs_are_derived_from_the_existing_mask(predict_into, folder, tmp_path):
    (tmp_path / "out").mkdir()
    edited = np.zeros((50, 70), np.uint8)
    edited[10:20, 30:50] = 255
    Image.fromarray(edited).save(tmp_path / "out/a.png")
    lines = []
    predict_into(folder / "images/a.png", save=("table", "overlay", "cutout"), on_line=lines.append)
    assert lines[0]["classes"][0]["boxes"] == [[30, 10, 20, 10]]
    np.testing.assert_array_equal(pixels(tmp_path / "out/cutouts/a.png")[..., 3] > 0, edited > 0)
    changed = pixels(tmp_path / "out/overlays/a.png") != pixels(folder / "images/a.png")
    rows, columns = np.nonzero(changed.any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 20, 29, 50)
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), edited)


def test_overwrite_removes_stale_maps(predict_into, tmp_path):
    predict_into(save=["probability"])
    predict_into(save=["overlay"])
    assert (tmp_path / "out/probability/a.png").exists()
    predict_into(overwrite=True)
    assert not (tmp_path / "out/probability/a.png").exists()
    assert (tmp_path / "out/overlays/a.png").exists()


def test_an_existing_image_that_is_no_mask_is_never_replaced(predict_into, folder, tmp_path):
    (tmp_path / "out").mkdir()
    Image.new("RGB", (70, 50)).save(tmp_path / "out/a.png")
    for overwrite in (False, True):
        result = predict_into(folder / "images/a.png", overwrite=overwrite)
        assert messages(result) == [f"{tmp_path / 'out/a.png'}: exists and is not a mask; choose another folder"]
        assert result.failed[0].parameters == ("out",)
    assert pixels(tmp_path / "out/a.png").ndim == 3


@pytest.mark.parametrize("save", ["table", "cutout"])
def test_an_existing_mask_must_have_the_images_size(save, predict_into, folder, tmp_path):
    (tmp_path / "out").mkdir()
    Image.new("L", (5, 5)).save(tmp_path / "out/a.png")
    result = predict_into(folder / "images/a.png", save=[save])
    (message,) = messages(result)
    assert message.startswith(f"{tmp_path / 'out/a.png'}: not of the image's size; overwrite it")
    assert result.failed[0].parameters == ("overwrite",)
    assert predict_into(folder / "images/a.png", save=[save], overwrite=True).done == 1


def test_an_existing_mask_must_be_upright(predict_into, folder, tmp_path):
    (tmp_path / "out").mkdir()
    Image.new("L", (50, 70)).save(tmp_path / "out/a.png")  # as many pixels, turned
    (message,) = messages(predict_into(folder / "images/a.png", save=["cutout"]))
    assert "not of the image's size" in message


def test_a_broken_mask_is_named_and_overwritten_on_request(predict_into, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_bytes(b"broken")
    (message,) = messages(predict_into(folder / "images/a.png"))
    assert message.startswith(f"{tmp_path / 'out/a.png'}: broken")
    assert message.endswith("overwrite it to predict it again")
    assert predict_into(folder / "images/a.png", overwrite=True).done == 1


def test_an_existing_mask_must_have_the_networks_classes(network, folder, tmp_path):
    Image.new("L", (70, 50), 255).save(tmp_path / "a.png")
    predictor = Predictor(network(classes=3), "cpu", "torch")
    inputs = find_inputs([folder / "images/a.png"], tmp_path)
    result = predict_folder(predictor, inputs, tmp_path, Outputs(frozenset({"overlay"})))
    assert "a.png: holds class 255, but the network has 3 classes" in messages(result)[0]


@pytest.mark.parametrize("names", [["nothing", "cat", "dog"], []])
def test_class_names_are_listed_and_not_mixed_with_others(names, network, folder, tmp_path):
    model, out = network(classes=3), tmp_path / "out"
    model.card = replace(model.card, class_names=names)
    inputs = find_inputs([folder / "images/a.png"], out)
    predict_folder(Predictor(model, "cpu", "torch"), inputs, out)
    assert (out / "classes.txt").exists() == bool(names)
    if names:
        assert (out / "classes.txt").read_text() == "nothing\ncat\ndog\n"
        assert predict_folder(Predictor(model, "cpu", "torch"), inputs, out).kept == 1
        model.card = replace(model.card, class_names=["nothing", "dog", "cat"])
        with pytest.raises(ValueError, match=r"classes\.txt: names other classes"):
            predict_folder(Predictor(model, "cpu", "torch"), inputs, out)


def test_no_mask_replaces_its_own_image(predict_into, folder):
    images = folder / "images"
    before = (images / "a.png").read_bytes()
    result = predict_into(images / "*.*", out=images, overwrite=True)
    assert f"{images / 'a.png'}: its mask would replace it; choose another folder" in messages(result)
    assert result.done == 1  # b.JPG becomes b.png
    assert (images / "a.png").read_bytes() == before


@pytest.mark.parametrize(("kind", "save", "overwrite"), [("overlays", ["overlay"], False), ("probability", [], True)])
def test_no_output_replaces_and_no_stale_map_is_another_input(kind, save, overwrite, predict_into, photo, tmp_path):
    """The overlay, or the map to be removed, of some/sub/b.png lies where another input is, whose own name is b."""
    other = tmp_path / "out" / kind / "sub/b.png"
    for path in (tmp_path / "some/sub/b.png", other):
        path.parent.mkdir(parents=True)
        Image.fromarray(photo()).save(path)
    before = other.read_bytes()
    result = predict_into(tmp_path / "some", other, save=save, overwrite=overwrite)
    assert result.done == 1
    assert messages(result) == [f"{tmp_path / 'some/sub/b.png'}: its mask would replace {other}; choose another folder"]
    assert other.read_bytes() == before
    assert not (tmp_path / "out/sub/b.png").exists()


def test_images_in_a_folder_named_like_one_of_outputs_are_refused(predict_into, photo, tmp_path):
    (tmp_path / "some/overlays").mkdir(parents=True)
    Image.fromarray(photo()).save(tmp_path / "some/overlays/d.png")
    Image.fromarray(photo()).save(tmp_path / "some/c.png")
    result = predict_into(tmp_path / "some", save=["overlay"])
    assert result.done == 1
    (message,) = messages(result)
    assert f"overlays/d.png: its mask would lie in {tmp_path / 'out/overlays'}" in message.replace(os.sep, "/")


def test_frames_do_not_replace_images_of_their_names(predict_into, photo, tmp_path):
    (tmp_path / "some/film").mkdir(parents=True)
    frames = [Image.fromarray(photo()) for _ in range(3)]
    frames[0].save(tmp_path / "some/film.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(photo(20, 30)).save(tmp_path / "some/film/0001.png")
    result = predict_into(tmp_path / "some")
    (message,) = messages(result)
    assert f"{tmp_path / 'some/film.tif'} and {tmp_path / 'some/film/0001.png'} would both be written as" in message
    assert {p.name for p in (tmp_path / "out/film").iterdir()} == {"0000.png", "0001.png", "0002.png"}
    assert pixels(tmp_path / "out/film/0001.png").shape == (20, 30)

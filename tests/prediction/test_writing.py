"""Writing: complete files only, a bounded queue, folders that can't be written, a full disk."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from sam2unet import Predictor
from sam2unet.prediction import Outputs, find_inputs, predict_folder, writing
from sam2unet.prediction.inputs import InputImage
from sam2unet.prediction.writing import WRITERS, WriteQueue, save_array, save_image


def test_save_array_writes_what_numpy_reads(known_prediction, rng, tmp_path):
    one, several = rng.standard_normal((5, 7)), rng.standard_normal((3, 5, 7))
    for name, logits in (("one", one), ("several", several)):
        prediction = known_prediction(logits)
        save_array(prediction, tmp_path / f"{name}.npy")
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), prediction.probability)
    np.testing.assert_allclose(np.load(tmp_path / "one.npy"), 1 / (1 + np.exp(-one)), atol=1e-6)


def test_save_image_leaves_nothing_when_it_fails(tmp_path):
    with pytest.raises(ValueError, match="unknown file extension"):
        save_image(Image.new("L", (2, 2)), tmp_path / "a.nothing")
    assert not list(tmp_path.iterdir())


class SlowWriter:
    """Writes nothing, and only once it may; counts the images that it was given."""

    with_records = True

    def __init__(self):
        self.may_write = Event()

    def write(self, image, prediction):
        assert self.may_write.wait(60)

    read = write


@pytest.fixture
def slow_queue():
    """A queue whose writer has to be let go, and the names that came through, in order."""
    writer, names = SlowWriter(), []
    with ThreadPoolExecutor(WRITERS) as executor:
        yield WriteQueue(writer, executor, lambda written: names.append(written.image.name)), writer, names
        writer.may_write.set()


def test_write_queue_holds_some_images_and_keeps_their_order(slow_queue, known_prediction):
    queue, writer, names = slow_queue
    for i in range(2 * WRITERS):
        queue.write(InputImage(str(i), Path("a.png")), known_prediction(np.zeros((2, 3))))
    assert names == []  # none had to be waited for
    writer.may_write.set()
    queue.write(InputImage("last", Path("a.png")), known_prediction(np.zeros((2, 3))))
    assert names[0] == "0"
    queue.finish()
    assert names == [*map(str, range(2 * WRITERS)), "last"]


def test_write_queue_waits_while_it_holds_too_many_pixels(slow_queue, known_prediction, monkeypatch):
    monkeypatch.setattr(writing, "PIXELS_AHEAD", 10)
    queue, writer, names = slow_queue
    queue.write(InputImage("first", Path("a.png")), known_prediction(np.zeros((2, 3))))
    assert names == []
    writer.may_write.set()
    queue.write(InputImage("second", Path("a.png")), known_prediction(np.zeros((2, 3))))  # 12 pixels together
    assert names == ["first"]


def test_a_folder_that_cannot_be_written_loses_its_images_only(network, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").touch()
    predictor = Predictor(network(), "cpu", "torch")
    result = predict_folder(predictor, find_inputs([folder], tmp_path / "out"), tmp_path / "out")
    assert str(result.failed[0]).startswith(f"{folder / 'images/sub/c.tif'}: can't be written")
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"a.png", "b.png"}


def test_an_output_folder_that_is_a_file_is_named(network, folder, tmp_path):
    (tmp_path / "out").touch()
    predictor, inputs = Predictor(network(), "cpu", "torch"), find_inputs([folder], tmp_path / "out")
    result = predict_folder(predictor, inputs, tmp_path / "out", Outputs(frozenset({"table"})))
    assert str(result.failed[-1]).startswith(f"{tmp_path / 'out'}: can't be written")
    assert result.done == 0


@pytest.mark.parametrize("kind", ["files", "pages"])
def test_a_full_disk_ends_the_run_and_leaves_no_table(kind, network, photo, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    images = [Image.fromarray(photo(20, 20)) for _ in range(30)]
    if kind == "pages":
        images[0].save(tmp_path / "in/pages.tif", save_all=True, append_images=images[1:])
    else:
        for i, image in enumerate(images):
            image.save(tmp_path / f"in/{i:02d}.png")
    tried = []

    def save(image, path, *more, **options):
        tried.append(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Image.Image, "save", save)
    predictor, out = Predictor(network(), "cpu", "torch"), tmp_path / "out"
    result = predict_folder(predictor, find_inputs([tmp_path / "in"], out), out, Outputs(frozenset({"table"})))
    assert "the disk is full" in str(result.failed[-1])
    assert "No space left on device" in str(result.failed[0])
    assert result.done == 0
    assert 1 <= len(tried) < 15
    assert not list(out.rglob("*.*"))

"""Reading ahead: bounded, in order, errors in place."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sam2unet.errors import InputError
from sam2unet.prediction import reading
from sam2unet.prediction.reading import ReadAhead


@pytest.fixture
def executor():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def stream():
    """Yields arrays of so many pixels each, which hold their number, and counts those that were taken."""

    class Stream:
        taken = 0

        def __call__(self, *pixels):
            for number, count in enumerate(pixels):
                self.taken += 1
                yield np.full((1, count, 3), number, np.uint8)

    return Stream()


def test_read_ahead_keeps_the_order(executor, stream):
    reader = ReadAhead(stream(*[5] * 7), lambda image: int(image[0, 0, 0]), executor)
    reader.fill(3)
    assert [reader.take(3) for _ in range(4)] == [[0, 1, 2], [3, 4, 5], [6], []]


def test_read_ahead_reads_a_batch_and_one_image_more(executor, stream):
    reader = ReadAhead(stream(*[5] * 9), id, executor)
    reader.fill(3)
    assert stream.taken == 5  # four, and one whose pixels are counted
    reader.take(3)
    assert stream.taken == 8


def test_read_ahead_bounds_the_pixels_of_images_waiting_and_in_use(executor, stream, monkeypatch):
    monkeypatch.setattr(reading, "PIXELS_AHEAD", 250)
    reader = ReadAhead(stream(*[100] * 9), id, executor)
    reader.fill(8)
    assert len(reader.take(8)) == 2  # a third would make 300 pixels
    assert stream.taken == 3  # with these two in use none fits
    reader.fill(8)
    assert stream.taken == 5


def test_read_ahead_reads_a_larger_image_alone(executor, stream, monkeypatch):
    monkeypatch.setattr(reading, "PIXELS_AHEAD", 250)
    reader = ReadAhead(stream(100, 900, 100), id, executor)
    sizes = []
    reader.fill(8)
    while batch := reader.take(8):
        sizes.append(len(batch))
        reader.fill(8)
    assert sizes == [1, 1, 1]


def test_read_ahead_returns_errors_in_place(executor):
    def prepare(name):
        if name == "broken":
            raise InputError("broken: not an image")
        if name == "huge":
            raise MemoryError
        return name.upper()

    reader = ReadAhead(["a", "broken", "huge", "b"], prepare, executor)
    reader.fill(4)
    first, broken, huge, last = reader.take(4)
    assert (first, last) == ("A", "B")
    assert str(broken) == "broken: not an image"
    assert str(huge) == "huge: not enough memory to read it"

"""CSV files list pairs."""

import pytest

from sam2unet.data.layout.pair_list import Row, read_pair_list
from sam2unet.errors import InputError

from ..folders import write_images


@pytest.fixture
def read(tmp_path):
    write_images(tmp_path / "data", "a.jpg", "b.jpg", "m/a.png", "m/b.png")

    def read_text(text, folder="data"):
        (tmp_path / folder / "list.csv").write_bytes(text.encode("utf-8-sig"))
        return read_pair_list(tmp_path / folder / "list.csv", tmp_path / "data")

    return read_text


@pytest.mark.parametrize(
    "text",
    ["image,mask\na.jpg,m/a.png\nb.jpg,m/b.png", "a.jpg,m/a.png\r\nb.jpg,m/b.png\r\n",
     "a.jpg;m/a.png\n\nb.jpg;m\\b.png", "filename,label_path\na.jpg,m/a.png\nb.jpg,m/b.png",
     "id\tMASK\tImage\n1\tm/a.png\ta.jpg\n2\tm/b.png\tb.jpg\n", '"a.jpg", "m/a.png"\n b.jpg,m/b.png\n'],
)  # fmt: skip
def test_read_pair_list_reads(text, read, tmp_path):
    data = tmp_path / "data"
    rows = read(text)
    assert [(row.image, row.mask) for row in rows] == [(data / f"{n}.jpg", data / f"m/{n}.png") for n in "ab"]
    assert {row.split for row in rows} == {""}


def test_read_pair_list_finds_files_beside_the_list(read, tmp_path):
    write_images(tmp_path, "x.jpg", "x.png")
    assert read("x.jpg,x.png", folder="") == [Row(1, tmp_path / "x.jpg", tmp_path / "x.png", "")]


def test_read_pair_list_reads_splits_and_images_without_mask(read):
    rows = read("split,image,mask\ntraining,a.jpg,m/a.png\nvalidation,b.jpg,\n")
    assert [(row.line, row.split, row.mask is None) for row in rows] == [(2, "train", False), (3, "val", True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [("image,mask\na.jpg,m/c.png", r"line 2: there is no file m/c\.png"), ("", "lists no pairs"),
     ("image,mask", "lists no pairs"), ("a.jpg,a.jpg", r"line 1: .*a\.jpg is its own mask"),
     ("photo,truth\na.jpg,m/a.png", r"line 1: there is no file photo in .*: name the columns image and mask"),
     ("a.jpg,m/a.png\na.jpg,m/b.png", r"line 2: .*a\.jpg is in line 1 too"), (",m/a.png", "line 1: names no image"),
     ("image,mask,split\na.jpg,m/a.png,fold1", "line 2: the split is 'fold1': write train, val or test")],
)  # fmt: skip
def test_read_pair_list_names_the_line_of(text, message, read):
    with pytest.raises(InputError, match=rf"list\.csv.*{message}") as caught:
        read(text)
    assert caught.value.parameters == ("pairs",)


def test_read_pair_list_refuses_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: can't be read"):
        read_pair_list(tmp_path / "none.csv", tmp_path)

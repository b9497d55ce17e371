"""Tables: rows worked out by hand, COCO as pycocotools and our own data reader see it, files of others."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from sam2unet.card import Card
from sam2unet.data import find_pairs, parse_mask_values, read_mask
from sam2unet.errors import InputError
from sam2unet.prediction.tables import SIGNATURES, ImageRecord, open_tables
from sam2unet.system import Shard

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools
FILES = {"table": "summary.csv", "rle": "coco_rle.json", "polygons": "coco_polygons.json"}
CARD = Card("tiny")


def two_squares():
    """8x10 pixels with components of 4 and 9 pixels."""
    mask = np.zeros((8, 10), bool)
    mask[0:2, 1:3] = True
    mask[4:7, 5:8] = True
    return mask


def write_tables(out, records, kinds=FILES, card=CARD, shard=Shard(), overwrite=False):  # noqa: B008, frozen
    out.mkdir(exist_ok=True)
    with open_tables(out, kinds, card, shard, overwrite) as appends:
        for record in records:
            for append in appends:
                append(record)


def record(name, mask, suffix=".jpg"):
    return ImageRecord.from_mask(name, Path(f"in/{name}{suffix}"), mask, FILES)


def test_summary_has_a_row_per_image(tmp_path):
    write_tables(tmp_path, [record("sub/a", two_squares()), record("b", np.zeros((4, 5), bool))])
    with (tmp_path / "summary.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "image", "width", "height", "class", "area", "share", "components", "boxes"]
    assert rows == [
        ["sub/a", "in/sub/a.jpg", "10", "8", "object", "13", "0.1625", "2", "1 0 2 2;5 4 3 3"],
        ["b", "in/b.jpg", "5", "4", "object", "0", "0.0", "0", ""],
    ]


def test_summary_has_a_row_per_class_but_background(tmp_path):
    mask = np.array([[1, 1, 0, 2], [0, 0, 0, 2]], np.uint8)
    write_tables(tmp_path, [record("a", mask)], card=Card("tiny", classes=3, class_names=["nothing", "cat", "dog"]))
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = [(row["class"], row["area"], row["boxes"]) for row in csv.DictReader(file)]
    assert rows == [("cat", "2", "0 0 2 1"), ("dog", "2", "3 0 1 2")]
    assert [c["name"] for c in COCO(tmp_path / "coco_rle.json").loadCats([1, 2])] == ["cat", "dog"]


def test_to_dict_is_what_a_line_of_json_holds():
    assert record("a", two_squares()).to_dict(CARD, Path("out/a.png"), True) == {
        "name": "a", "image": str(Path("in/a.jpg")), "mask": str(Path("out/a.png")), "kept": True, "width": 10,
        "height": 8, "classes": [
            {"class": "object", "area": 13, "share": 0.1625, "components": 2, "boxes": [[1, 0, 2, 2], [5, 4, 3, 3]]}
        ],
    }  # fmt: skip


def test_coco_files_are_read_by_pycocotools(tmp_path, rng):
    masks = {name: rng.random((30, 40)) > 0.6 for name in ("a", "sub/c")}
    write_tables(tmp_path, [record(name, mask) for name, mask in masks.items()])
    coco, outlined = COCO(tmp_path / "coco_rle.json"), COCO(tmp_path / "coco_polygons.json")
    assert sorted(image["file_name"] for image in coco.imgs.values()) == ["a.jpg", "sub/c.jpg"]
    for image in coco.imgs.values():
        mask, annotations = masks[image["file_name"].removesuffix(".jpg")], coco.imgToAnns[image["id"]]
        assert (image["height"], image["width"]) == mask.shape
        assert sum(annotation["area"] for annotation in annotations) == mask.sum()
        np.testing.assert_array_equal(sum(map(coco.annToMask, annotations)), mask)
        assert outlined.imgToAnns[image["id"]][0]["segmentation"][0]


def test_coco_polygons_are_read_as_ground_truth(tmp_path, photo):
    mask = np.zeros((60, 80), bool)
    mask[10:40, 20:50] = True
    write_tables(tmp_path, [record("a", mask, ".png")], ["polygons"])
    Image.fromarray(photo(60, 80)).save(tmp_path / "a.png")
    (pair,) = find_pairs(tmp_path).pairs[""]
    np.testing.assert_array_equal(read_mask(pair.mask, parse_mask_values("classes")).labels, mask)


def test_coco_ids_of_shards_differ(tmp_path):
    for k in (1, 2):
        write_tables(tmp_path, [record(f"{k}{i}", two_squares()) for i in range(3)], ["rle"], shard=Shard(k, 2))
    shards = [json.loads((tmp_path / f"coco_rle-{k}-of-2.json").read_text()) for k in (1, 2)]
    for key, count in (("images", 6), ("annotations", 12)):
        assert len({entry["id"] for shard in shards for entry in shard[key]}) == count


def test_tables_appear_only_at_the_end_without_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_tables(tmp_path, FILES, CARD, Shard(), False):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FILES)
def test_tables_of_others_are_replaced_only_when_overwriting(kind, tmp_path):
    file = tmp_path / FILES[kind]
    file.write_text("mine")
    with pytest.raises(InputError, match="not a table of sam2unet") as caught:
        write_tables(tmp_path, [], [kind])
    assert caught.value.parameters == ("out", "overwrite")
    assert file.read_text() == "mine"
    write_tables(tmp_path, [], [kind], overwrite=True)
    write_tables(tmp_path, [record("a", two_squares())], [kind])  # now it is ours
    assert "a.jpg" in file.read_text()


def test_summary_of_version_0_1_is_replaced(tmp_path):
    old = "name,picture,width,height,class,area,share,parts,boxes\r\na,in/a.jpg,5,4,object,0,0.0,0,\r\n"
    (tmp_path / "summary.csv").write_bytes(old.encode())
    write_tables(tmp_path, [record("b", two_squares())], ["table"])
    assert (tmp_path / "summary.csv").read_bytes().startswith(SIGNATURES["table"][0].encode())

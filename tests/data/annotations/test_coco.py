"""COCO's data sets: outlines, run lengths, crowds, boxes, and how images and categories belong together."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from sam2unet.errors import InputError

from .files import HEIGHT, WIDTH, box_mask, drawn, read, ring

SQUARE = [ring(6, 4, 6, 6)]
MASK = box_mask(6, 4, 6, 6)


def counts_of(mask):
    """Run lengths by a loop over the pixels, column by column."""
    counts, last = [0], 0
    for pixel in mask.T.ravel():
        if pixel != last:
            counts.append(0)
        counts[-1] += 1
        last = pixel
    return counts


def coco(annotations, names=("a.jpg", "b.jpg"), categories=(), size=(WIDTH, HEIGHT)):
    sizes = {"width": size[0], "height": size[1]} if size else {}
    return {
        "images": [{"id": number, "file_name": name, **sizes} for number, name in enumerate(names, 1)],
        "categories": list(categories) or [{"id": 1, "name": "polyp"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "bbox": [6, 4, 6, 6], **fields}
            for number, fields in enumerate(annotations, 1)
        ],
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.json"


@pytest.mark.filterwarnings("ignore:__array__")  # pycocotools beside NumPy 2
def test_read_draws_polygons_as_pycocotools_does(path):
    random = np.random.default_rng(0)
    rings = [(random.random(2 * corners) * 40 - 4).round(1).tolist() for corners in range(3, 23)]
    for one in rings:
        found = drawn(read(path, coco([{"segmentation": [one]}])), "a.jpg")
        rle = coco_mask.merge(coco_mask.frPyObjects([one], HEIGHT, WIDTH))
        np.testing.assert_array_equal(found, coco_mask.decode(rle))


def test_read_draws_a_square_of_six_as_36_pixels(path):
    np.testing.assert_array_equal(drawn(read(path, coco([{"segmentation": SQUARE}])), "a.jpg"), MASK)


@pytest.mark.parametrize("kind", ["counts", "text"])
@pytest.mark.parametrize("crowd", [0, 1])
def test_read_draws_run_lengths(kind, crowd, path):
    mask = (np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.4).astype(np.uint8)
    counts = counts_of(mask)
    if kind == "text":
        counts = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
    rle = {"size": [HEIGHT, WIDTH], "counts": counts}
    np.testing.assert_array_equal(drawn(read(path, coco([{"segmentation": rle, "iscrowd": crowd}])), "a.jpg"), mask)


def test_read_takes_the_size_from_run_lengths_if_the_image_has_none(path):
    rle = {"size": [HEIGHT, WIDTH], "counts": counts_of(MASK)}
    file = read(path, coco([{"segmentation": rle}], size=None))
    assert file.annotations["a.jpg"].size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("rle", "message"),
    [({"size": [8, 8], "counts": [64]}, "a mask of 8x8, but a.jpg is 32x24"),
     ({"size": [24, 32], "counts": [3, 4]}, "add up"),
     ({"size": [24, 32], "counts": [700, -1, 69]}, r"counts\[1\] is -1"),
     ({"size": [24, 32], "counts": "~~~"}, "compressed"),
     ({"size": [24, 32], "counts": "0" * 9}, "add up"), ({"counts": [1]}, "size is missing"),
     ({"size": [200000, 1], "counts": [1]}, "100000 or less")],
)  # fmt: skip
def test_read_names_wrong_run_lengths(rle, message, path):
    with pytest.raises(InputError, match=message):
        read(path, coco([{"segmentation": rle}]))


def test_read_takes_a_flat_outline_for_one_ring(path):
    np.testing.assert_array_equal(drawn(read(path, coco([{"segmentation": SQUARE[0]}])), "a.jpg"), MASK)


def test_read_unites_the_rings_of_an_annotation(path):
    file = read(path, coco([{"segmentation": [ring(6, 4, 6, 6), ring(8, 6, 2, 2), ring(20, 4, 3, 3)]}]))
    np.testing.assert_array_equal(drawn(file, "a.jpg"), box_mask(6, 4, 6, 6) | box_mask(20, 4, 3, 3))


def test_read_drops_and_counts_rings_of_fewer_than_three_points(path):
    file = read(path, coco([{"segmentation": [[6, 4], [], *SQUARE]}]))
    np.testing.assert_array_equal(drawn(file, "a.jpg"), MASK)
    assert file.skipped == {"outlines of fewer than 3 points": 2}


def test_read_leaves_out_an_image_of_which_nothing_can_be_drawn(path):
    file = read(path, coco([{"segmentation": [[6, 4, 7, 4]]}, {"segmentation": SQUARE, "image_id": 2}]))
    assert list(file.annotations) == ["b.jpg"]
    assert file.skipped_images == ("a.jpg",)


def test_read_keeps_images_without_annotations_as_background(path):
    assert not drawn(read(path, coco([{"segmentation": SQUARE}])), "b.jpg").any()


def test_read_ignores_crowds_if_asked_and_draws_objects_over_them(path):
    crowd = {"segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}, "iscrowd": 1}
    file = read(path, coco([{"segmentation": SQUARE}, crowd]), crowds="ignore")
    np.testing.assert_array_equal(drawn(file, "a.jpg", {"polyp": 1}), np.where(MASK, 1, 255))


@pytest.mark.parametrize("outline", [{}, {"segmentation": []}, {"segmentation": None}])
def test_read_asks_about_boxes_without_an_outline(outline, path):
    content = coco([outline, outline, {"segmentation": SQUARE, "image_id": 2}])
    with pytest.raises(InputError, match=r"set\.json: 2 annotations have a box but no outline \(a\.jpg\)") as error:
        read(path, content)
    assert error.value.parameters == ("boxes",)


def test_read_leaves_out_images_with_boxes_if_asked(path):
    file = read(path, coco([{}, {"segmentation": SQUARE, "image_id": 2}]), boxes="skip")
    assert list(file.annotations) == ["b.jpg"]
    assert file.skipped_images == ("a.jpg",)
    assert file.skipped == {"boxes without an outline": 1}


def test_read_fills_boxes_if_asked(path):
    np.testing.assert_array_equal(drawn(read(path, coco([{}]), boxes="fill"), "a.jpg"), MASK)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [({}, "boxes without an outline"), ({"bbox": None, "caption": "x"}, "annotations without a box or an outline"),
     ({"bbox": None, "segments_info": []}, "panoptic segments: their masks are PNG files")],
)  # fmt: skip
def test_read_finds_no_annotations_in_a_file_of_boxes_or_captions(annotation, reason, path):
    file = read(path, coco([annotation]))
    assert file.annotations == {}
    assert file.skipped == {reason: 1}


def test_read_finds_no_annotations_in_a_list_of_results(path):
    file = read(path, [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])
    assert (file.annotations, sum(file.skipped.values())) == ({}, 1)


def test_read_joins_an_image_that_is_listed_twice(path):
    content = coco([{"segmentation": SQUARE}, {"segmentation": [ring(20, 4, 3, 3)], "image_id": 2}], ["a.jpg", "a.jpg"])
    np.testing.assert_array_equal(drawn(read(path, content), "a.jpg"), MASK | box_mask(20, 4, 3, 3))


def test_read_refuses_an_image_that_is_listed_with_two_sizes(path):
    content = coco([{"segmentation": SQUARE}], ["a.jpg", "a.jpg"])
    content["images"][1]["width"] = 8
    with pytest.raises(InputError, match=r"a\.jpg is listed twice, as 32x24 and as 8x24"):
        read(path, content)


def test_read_refuses_an_id_of_two_images(path):
    content = coco([{"segmentation": SQUARE}])
    content["images"][1]["id"] = 1
    with pytest.raises(InputError, match=r"image id 1 is given to a\.jpg and to b\.jpg"):
        read(path, content)


def test_read_refuses_an_annotation_of_an_unknown_image(path):
    with pytest.raises(InputError, match=r"annotations\[0\] belongs to image 9"):
        read(path, coco([{"segmentation": SQUARE, "image_id": 9}]))


def test_read_matches_ids_that_are_text_and_numbers(path):
    file = read(path, coco([{"segmentation": SQUARE, "image_id": "1"}]))
    np.testing.assert_array_equal(drawn(file, "a.jpg"), MASK)


@pytest.mark.parametrize(
    ("given", "name"),
    [("some/a.jpg", "some/a.jpg"), (r"some\a.jpg", "some/a.jpg"), ("./a.jpg", "a.jpg"),
     ("/data/upload/1/a%20b.jpg", "data/upload/1/a b.jpg"),
     ("https://host/x/a%20b.jpg?token=1", "x/a b.jpg"), ("/data/local-files/?d=x/a%20b.jpg", "x/a b.jpg"),
     ("50%25 done?.jpg", "50%25 done?.jpg")],
)  # fmt: skip
def test_read_reduces_file_names_to_paths(given, name, path):
    assert list(read(path, coco([{"segmentation": SQUARE}], [given])).annotations) == [name]


def test_read_lists_used_labels_by_id_and_all_but_the_one_above(path):
    fields = [(10, "late", "set"), (9, "early", "set"), (0, "set", "none"), (3, "unused", "unused")]
    categories = [{"id": number, "name": name, "supercategory": above} for number, name, above in fields]
    annotations = [{"segmentation": SQUARE, "category_id": number} for number in (10, 9)]
    file = read(path, coco(annotations, categories=categories))
    assert file.labels == ("early", "late")
    assert file.known_labels == ("unused", "early", "late")


def test_read_draws_later_annotations_over_earlier_ones(path):
    categories = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    above = {"segmentation": [ring(8, 6, 2, 2)], "category_id": 2}
    file = read(path, coco([{"segmentation": SQUARE}, above], categories=categories))
    expected = MASK + box_mask(8, 6, 2, 2)
    np.testing.assert_array_equal(drawn(file, "a.jpg", {"one": 1, "two": 2}), expected)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [([[1, 2, 3]], r"annotations\[0\]\.segmentation\[0\] has 3 numbers"),
     ("x", "be a list"),
     ([[1, 2, 3, "x", 5, 6]], 'is "x" where there should be a number'),
     ([[1, 2, 3, 1e300, 5, 6]], "10000000.0 or less"),
     ([[99, 99, 120, 99, 120, 120]], "its image is 32x24"), ([[0, 0, 300000, 0, 0, 1]], "too long to be drawn")],
)  # fmt: skip
def test_read_names_a_wrong_outline(segmentation, message, path):
    with pytest.raises(InputError, match=message) as error:
        read(path, coco([{"segmentation": segmentation}]))
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("size", [(100_000, 100_000), (0, 5), (-1, 5), (200_000, 1), (1.5, 2)])
def test_read_refuses_impossible_sizes(size, path):
    with pytest.raises(InputError, match=r"set\.json: "):
        read(path, coco([{"segmentation": SQUARE}], size=size))

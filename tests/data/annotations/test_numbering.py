"""One numbering of the labels of all files of a set."""

from pathlib import Path

import pytest

from sam2unet.data.annotations import AnnotationFile, number_labels
from sam2unet.data.options import DataOptions
from sam2unet.errors import InputError


def file(name, *labels, known=(), form="LabelMe"):
    return AnnotationFile(Path(name), form, {}, of_one_image=True, labels=labels, known_labels=known)


def coco(name, *labels, known=None):
    return file(name, *labels, known=labels if known is None else known, form="COCO")


def numbers(*files, classes=3, **options):
    return number_labels(files, DataOptions(classes=classes, **options))


def test_number_labels_needs_no_numbers_for_one_class():
    assert numbers(file("a.json", "x", "y"), classes=1) == {}


def test_number_labels_knows_reserved_labels():
    assert numbers(file("a.json", "x", "__ignore__", "_background_"), classes=2) == {
        "x": 1, "__ignore__": 255, "_background_": 0,
    }  # fmt: skip


def test_number_labels_follows_class_names():
    names = ("ground", "tool", "polyp")
    assert numbers(file("a.json", "polyp"), file("b.json", "tool"), class_names=names) == {"polyp": 2, "tool": 1}


def test_number_labels_names_a_label_that_class_names_lack():
    with pytest.raises(
        InputError, match=r"b\.json: label 'dirt' is not among the class names \(ground, polyp\)"
    ) as error:
        numbers(file("a.json", "polyp"), file("b.json", "dirt"), classes=2, class_names=("ground", "polyp"))
    assert error.value.parameters == ("class_names",)


def test_number_labels_refuses_class_names_without_background():
    with pytest.raises(InputError, match=r"2 class names \(polyp, tool\) for 3 classes"):
        numbers(file("a.json", "polyp"), class_names=("polyp", "tool"))


def test_number_labels_numbers_the_ids_of_yolo_beside_class_names():
    assert numbers(file("a.txt", "0", "1", form="YOLO"), class_names=("ground", "polyp", "tool")) == {"0": 1, "1": 2}


@pytest.mark.parametrize("classes", [1, 3])
def test_number_labels_follows_names_in_mask_values(classes):
    found = numbers(file("a.json", "polyp", "dirt"), classes=classes, mask_values="polyp:1,dirt:ignore")
    assert found == {"polyp": 1, "dirt": 255}


def test_number_labels_names_a_label_that_mask_values_lack():
    with pytest.raises(InputError, match=r"a\.json: label 'tool' has no number"):
        numbers(file("a.json", "tool"), classes=1, mask_values="polyp:1")


def test_number_labels_does_not_take_values_of_pixels_for_names():
    assert numbers(file("a.json", "polyp"), classes=2, mask_values="0:background,128:1") == {"polyp": 1}


def test_number_labels_takes_numbers_as_they_are():
    assert numbers(file("a.json", "2"), file("b.json", "1")) == {"1": 1, "2": 2}


def test_number_labels_refuses_a_number_above_the_classes():
    with pytest.raises(InputError, match=r"b\.json: label '7' is class 7, but 2 is the highest"):
        numbers(file("a.json", "1"), file("b.json", "7"))


def test_number_labels_asks_about_several_labels():
    with pytest.raises(InputError, match=r"a\.json and 1 more: 2 labels \(polyp, tool\)") as error:
        numbers(file("a.json", "tool"), file("b.json", "polyp"))
    assert error.value.parameters == ("class_names", "mask_values")


def test_number_labels_asks_about_a_single_label_of_several_classes():
    assert numbers(file("a.json", "polyp"), classes=2) == {"polyp": 1}
    with pytest.raises(InputError, match=r"1 label \(polyp\)"):
        numbers(file("a.json", "polyp"), classes=3)


def test_number_labels_counts_the_categories_of_coco_that_are_used():
    assert numbers(coco("a.json", "b", "c", known=("a", "b", "c"))) == {"b": 1, "c": 2}


def test_number_labels_counts_all_categories_of_coco_if_these_are_the_classes():
    assert numbers(coco("a.json", "c", known=("a", "b", "c")), classes=4)["c"] == 3


def test_number_labels_asks_if_neither_fits():
    with pytest.raises(InputError, match="1 label"):
        numbers(coco("a.json", "c", known=("a", "b", "c")), classes=3)


def test_number_labels_gives_two_files_of_coco_one_numbering():
    found = numbers(coco("train.json", "a", "c"), coco("val.json", "b", "c", known=("a", "b", "c")), classes=4)
    assert found == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("known", [("b", "a"), ("c",)])
def test_number_labels_refuses_files_that_do_not_agree_on_an_order(known):
    with pytest.raises(InputError, match=r"val\.json orders its labels in another way"):
        numbers(coco("train.json", "a", "b"), coco("val.json", *known), classes=4)


def test_number_labels_refuses_lists_of_yolo_that_differ():
    files = [file(f"{names}.txt", *names, known=tuple(names), form="YOLO") for names in ("ab", "ba")]
    assert numbers(files[0], file("e.txt", form="YOLO")) == {"a": 1, "b": 2}
    with pytest.raises(InputError, match=r"ba\.txt orders its labels"):
        numbers(*files)


def test_number_labels_of_no_labels_is_empty():
    assert numbers(file("a.json")) == {}

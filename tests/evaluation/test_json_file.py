"""JSON files of shards, and their merging; those of 0.1 too."""

import json
import logging
from pathlib import Path

import pytest

import sam2unet
from sam2unet.errors import InputError
from sam2unet.evaluation import Options, evaluate_folder, merge_json, write_json
from sam2unet.system import Shard

VERSION_0_1 = Path(__file__).parents[1] / "version_0_1"
SHARES_0_1 = [VERSION_0_1 / "share1.json", VERSION_0_1 / "share2.json"]


def write_shards(root, count, predictions="maps", threshold=0.5, classes=None):
    files = []
    for index in range(1, count + 1):
        shard, file = Shard(index, count), root / f"{predictions}-{index}.json"
        result = evaluate_folder(root / predictions, root / "gt", Options(threshold), classes=classes, shard=shard)
        write_json(file, result, root / predictions, root / "gt", shard)
        files.append(file)
    return files


@pytest.mark.parametrize(("fixture", "predictions"), [("folders", "maps"), ("class_folders", "out")])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_merge_json_equals_one_evaluation(count, fixture, predictions, request):
    """Of nine shards some are empty."""
    root = request.getfixturevalue(fixture)
    merged, *compared = merge_json(write_shards(root, count, predictions)[::-1])
    assert merged.as_json() == evaluate_folder(root / predictions, root / "gt").as_json()
    assert compared == [root / predictions, root / "gt"]


def test_write_json_holds_metrics_and_curves(folders):
    (file,) = write_shards(folders, 1)
    stored = json.loads(file.read_text())
    assert list(stored) == [
        "metrics",
        "shard",
        "curves",
        "readings",
        "remarks",
        "state",
        "predictions",
        "masks",
        "version",
    ]
    assert stored["metrics"] == sam2unet.evaluate(folders / "maps", folders / "gt")
    assert stored["shard"] == "1/1"
    assert {name: len(curve) for name, curve in stored["curves"].items()} == dict.fromkeys(
        ("E", "F", "Dice", "IoU", "precision", "recall", "FPR"), 256
    )
    assert stored["version"] == sam2unet.__version__


def test_write_json_holds_the_confusion_matrix_and_null_for_nan(class_folders):
    (file,) = write_shards(class_folders, 1, "out")
    stored = json.loads(file.read_text())
    assert stored["class_names"] == ["0", "1", "2", "3"]
    assert stored["confusion"][2] == [0, 0, 0, 0]
    assert stored["metrics"]["IoU/2"] is None


@pytest.mark.parametrize(
    ("chosen", "there"), [([0, 2], "1/3, 3/3"), ([0, 1, 2, 0], "1/3, 1/3, 2/3, 3/3"), ([1], "2/3")]
)
def test_merge_json_needs_every_shard_once(chosen, there, folders):
    files = write_shards(folders, 3)
    with pytest.raises(InputError, match=f"holds shards {there}; merge each of 1 to 3 once"):
        merge_json([files[i] for i in chosen])


def test_merge_json_refuses_shards_with_other_options(folders):
    first, _ = write_shards(folders, 2)
    loose = first.rename(folders / "loose.json")
    _, second = write_shards(folders, 2, threshold=0.4)
    with pytest.raises(InputError, match=r"maps-2.json: has other images, classes or options than .*loose.json"):
        merge_json([loose, second])


def test_merge_json_refuses_shards_of_other_images(folders):
    first, _ = write_shards(folders, 2)
    stored = first.read_text()
    (folders / "maps/0.png").rename(folders / "maps/7.png")
    (folders / "gt/0.png").rename(folders / "gt/7.png")
    _, second = write_shards(folders, 2)
    first.write_text(stored)
    with pytest.raises(InputError, match="has other images"):
        merge_json([first, second])


def test_merge_json_refuses_shards_of_another_number_of_classes(class_folders):
    first, _ = write_shards(class_folders, 2, "out")
    stored = first.read_text()
    _, second = write_shards(class_folders, 2, "out", classes=5)
    first.write_text(stored)
    with pytest.raises(InputError, match="has other images, classes"):
        merge_json([first, second])


@pytest.mark.parametrize("change", [{"shard": "x"}, {"state": {}}, {"predictions": None}, {"state": None}], ids=str)
def test_merge_json_refuses_broken_shards(change, folders):
    (file,) = write_shards(folders, 1)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=r"maps-1.json: is not the JSON of one shard"):
        merge_json([file])


def test_merge_json_refuses_other_and_missing_files(folders):
    with pytest.raises(InputError, match=r"1.png: is not the JSON of one shard"):
        merge_json([folders / "maps/1.png"])
    with pytest.raises(InputError, match=r"none.json: no such file"):
        merge_json([folders / "none.json"])


@pytest.fixture
def metrics_0_1():
    """What 0.1 wrote for tests/version_0_1/maps."""
    return json.loads((VERSION_0_1 / "metrics.json").read_text())["metrics"]


def test_merge_json_reads_shards_of_0_1_and_says_so(metrics_0_1, caplog):
    with caplog.at_level(logging.WARNING, "sam2unet"):
        merged, *_ = merge_json(SHARES_0_1)
    assert merged.metrics() == metrics_0_1
    assert [f"{file}: has the key names of version 0.1" in caplog.text for file in SHARES_0_1] == [True, True]
    assert sum(merged.dice_histogram) == 6


def test_evaluate_equals_0_1(metrics_0_1):
    assert sam2unet.evaluate(VERSION_0_1 / "maps", VERSION_0_1 / "data") == metrics_0_1


def test_merge_json_refuses_a_shard_of_0_1_beside_a_new_one(tmp_path):
    shard = Shard(1, 2)
    result = evaluate_folder(VERSION_0_1 / "maps", VERSION_0_1 / "data", shard=shard)
    write_json(tmp_path / "1.json", result, VERSION_0_1 / "maps", VERSION_0_1 / "data", shard)
    with pytest.raises(InputError, match="with the same options and the same version"):
        merge_json([tmp_path / "1.json", SHARES_0_1[1]])

"""Whole folders: every kind of output, frames, shards, standard input and output, what goes wrong."""

import csv
import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from rich.console import Console

from sam2unet import Predictor, Views
from sam2unet.data import find_pairs, read_mask
from sam2unet.export import export_model
from sam2unet.prediction import Outputs, find_inputs, predict_folder
from sam2unet.prediction.drawing import soft_edge
from sam2unet.progress import progress_bar
from sam2unet.system import local_device

RNG = np.random.default_rng(0)
COMMAND = Path(sys.executable).with_name("sam2unet")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools
ALL = ("overlay", "probability", "probability16", "npy", "cutout", "table", "rle", "polygons")


@pytest.fixture
def folder(tmp_path, photo):
    for name, size in (("images/a.png", (50, 70)), ("images/b.JPG", (33, 91)), ("images/sub/c.tif", (128, 64))):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(*size)).save(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def predict(run, model_file):
    return lambda *words: run("predict", model_file, *words, "--device", "cpu", "--backend", "torch")


def saves(*kinds):
    return [f"--save={kind}" for kind in kinds]


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_every_output_is_that_of_the_probabilities(predict, model_file, folder, tmp_path):
    out = tmp_path / "out"
    result = predict(folder, "--out", out, "--threshold", "0.4", *saves(*ALL))
    assert result.code == 0, result.err
    prediction = Predictor(model_file, "cpu", "torch").predict(folder / "images/a.png")
    probability, mask = prediction.probability, prediction.mask(0.4)
    np.testing.assert_array_equal(np.asarray(opened(out / "a.png")), mask * np.uint8(255))
    np.testing.assert_array_equal(np.load(out / "npy/a.npy"), probability)
    wide = opened(out / "probability16/a.png")
    assert wide.mode.startswith("I")
    np.testing.assert_array_equal(np.asarray(wide), np.round(probability * 65535))
    cut = np.asarray(opened(out / "cutouts/a.png"))
    np.testing.assert_array_equal(cut, np.asarray(prediction.cutout(0.4)))
    np.testing.assert_array_equal(np.asarray(opened(out / "overlays/a.png")), np.asarray(prediction.overlay(0.4)))
    np.testing.assert_array_equal(cut[..., :3], np.asarray(prediction.image))
    np.testing.assert_array_equal(cut[..., 3] > 0, mask)
    assert (cut[..., 3][mask & (probability > 0.55)] == 255).all()
    assert cut[..., 3][mask].min() in range(127, 160)  # softer where the border is near
    assert not list(out.rglob(".*"))


def test_masks_of_one_bit(predict, folder, tmp_path):
    assert predict(folder, "--out", tmp_path / "one", "--mask-bits", 1).code == 0
    assert predict(folder, "--out", tmp_path / "eight").code == 0
    one, eight = (opened(tmp_path / name / "sub/c.png") for name in ("one", "eight"))
    assert one.mode == "1"
    np.testing.assert_array_equal(np.asarray(one), np.asarray(eight) == 255)


def test_tables_are_read_by_others(predict, folder, tmp_path):
    out = tmp_path / "out"
    assert predict(folder, "--out", out, *saves("table", "rle", "polygons")).code == 0
    masks = {name: np.asarray(opened(out / f"{name}.png")) > 0 for name in ("a", "b", "sub/c")}
    with (out / "summary.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows.keys() == masks.keys()
    coco = COCO(out / "coco_rle.json")
    outlined = COCO(out / "coco_polygons.json")
    assert sorted(image["file_name"] for image in coco.imgs.values()) == ["a.png", "b.JPG", "sub/c.tif"]
    for image in coco.imgs.values():
        name = image["file_name"].rpartition(".")[0]
        mask, row, parts = masks[name], rows[name], coco.imgToAnns[image["id"]]
        assert (image["height"], image["width"]) == mask.shape
        assert (int(row["width"]), int(row["height"])) == mask.shape[::-1]
        assert int(row["area"]) == mask.sum() == sum(part["area"] for part in parts)
        assert float(row["share"]) == pytest.approx(mask.mean(), abs=1e-6)
        assert int(row["parts"]) == len(parts) >= 1
        assert row["boxes"] == ";".join(" ".join(map(str, part["bbox"])) for part in parts)
        np.testing.assert_array_equal(sum(map(coco.annToMask, parts)), mask)
        assert outlined.imgToAnns[image["id"]][0]["segmentation"][0]
    shutil.move(out / "coco_polygons.json", folder)
    (pair,) = [pair for pair in find_pairs(folder).pairs[""] if pair.key == "sub/c"]
    read = read_mask(pair.mask).values > 0  # what Pillow draws of the same polygons
    assert (read & masks["sub/c"]).sum() / (read | masks["sub/c"]).sum() > 0.6  # specks: their borders are most of them


def test_tables_and_lines_hold_what_was_kept_too(predict, folder, tmp_path):
    out = tmp_path / "out"
    predict(folder, "--out", out, *saves("table", "rle"))
    first = (out / "summary.csv").read_text(), json.loads((out / "coco_rle.json").read_text())["annotations"]
    (out / "b.png").unlink()
    result = predict(folder, "--out", out, "--json", *saves("table", "rle"))
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert {line["name"]: line["kept"] for line in lines} == {"a": True, "b": False, "sub/c": True}
    (out / "a.png").write_bytes(b"broken")
    damaged = predict(folder, "--out", out, "--json")
    assert damaged.code == 1
    assert f"{out / 'a.png'}: broken or no picture" in damaged.err
    (out / "a.png").unlink()
    predict(folder, "--out", out, *saves("table", "rle"))
    assert sorted((out / "summary.csv").read_text().splitlines()) == sorted(first[0].splitlines())
    again = json.loads((out / "coco_rle.json").read_text())["annotations"]
    assert Counter(part["area"] for part in again) == Counter(part["area"] for part in first[1])


def test_a_line_of_json_for_each_picture(predict, folder, tmp_path):
    (folder / "images/z.png").write_bytes(b"")
    result = predict(folder, "--out", tmp_path / "out", "--json")
    assert result.code == 1
    *good, bad = sorted(map(json.loads, result.out.splitlines()), key=lambda line: "error" in line)
    assert len(good) == 3
    assert str(folder / "images/z.png") in bad["error"]
    for line in good:
        mask = np.asarray(opened(line["mask"])) > 0
        (found,) = line["classes"]
        assert found["area"] == mask.sum()
        left, top, width, height = np.array(found["boxes"]).T
        rows, columns = np.nonzero(mask)
        assert (left.min(), top.min()) == (columns.min(), rows.min())
        assert ((left + width).max(), (top + height).max()) == (columns.max() + 1, rows.max() + 1)
    assert predict(folder, "--out", tmp_path / "out", "--quiet").out == ""


def test_several_classes_have_maps_tables_and_no_bit(network, run, folder, tmp_path):
    model = network(classes=3)
    model.card = replace(model.card, class_names=["nothing", "cat", "dog"])
    words = (export_model(model, tmp_path, "m", "onnx"), folder, "--out", tmp_path / "out")
    assert run("predict", *words, *saves(*ALL)).code == 0
    out = tmp_path / "out"
    values = np.load(out / "npy/b.npy")
    mask = np.asarray(opened(out / "b.png"))
    np.testing.assert_array_equal(mask, values.argmax(axis=0))
    for i in range(3):
        np.testing.assert_array_equal(np.asarray(opened(out / f"probability16/{i}/b.png")), np.round(values[i] * 65535))
    with (out / "summary.csv").open(newline="") as file:
        areas = {row["class"]: int(row["area"]) for row in csv.DictReader(file) if row["name"] == "b"}
    assert areas == {"cat": (mask == 1).sum(), "dog": (mask == 2).sum()}
    assert [c["name"] for c in COCO(out / "coco_rle.json").loadCats([1, 2])] == ["cat", "dog"]
    np.testing.assert_array_equal(np.asarray(opened(out / "cutouts/b.png"))[..., 3] == 255, mask > 0)
    refused = run("predict", *words, "--mask-bits", 1)
    assert refused.code == 2
    assert "do not fit in one bit" in refused.err


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_frames_and_pages_are_pictures_of_their_own(suffix, predict, photo, tmp_path):
    frames = [Image.fromarray(photo(40, 60)).quantize(64).convert("RGB") for _ in range(4)]
    (tmp_path / "in").mkdir()
    options = {"webp": {"lossless": True}}.get(suffix, {})
    frames[0].save(tmp_path / f"in/film.{suffix}", save_all=True, append_images=frames[1:], **options)
    frames[2].save(tmp_path / "in/third.png")
    out = tmp_path / "out"
    assert predict(tmp_path / "in", "--out", out).out.startswith("5 predicted")
    assert sorted(p.name for p in (out / "film").iterdir()) == [f"000{i}.png" for i in range(4)]
    assert not (out / "film.png").exists()
    np.testing.assert_array_equal(np.asarray(opened(out / "film/0002.png")), np.asarray(opened(out / "third.png")))
    (out / "film/0001.png").unlink()
    said = predict(tmp_path / "in", "--out", out).out
    assert said.startswith("1 predicted")
    assert "4 were there already" in said


def test_smaller_copies_in_a_tiff_are_no_pages(predict, photo, tmp_path):
    whole, small = Image.fromarray(photo(40, 60)), Image.fromarray(photo(20, 30))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "slide.tif", save_all=True, append_images=[small], tiffinfo={254: 0})
    with Image.open(tmp_path / "slide.tif") as slide:
        assert slide.n_frames == 2
    assert predict(tmp_path / "slide.tif", "--out", tmp_path / "out").code == 0
    assert opened(tmp_path / "out/slide.png").size == (60, 40)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1


def test_from_standard_input_to_standard_output(model_file, folder, tmp_path):
    content = (folder / "images/b.JPG").read_bytes()

    def piped(*words, given=content):
        command = [COMMAND, "predict", model_file, "-", "--device", "cpu", *words]
        return subprocess.run(command, input=given, capture_output=True, check=False)

    expected = Predictor(model_file, "cpu").predict(folder / "images/b.JPG")
    done = piped("--out", "-")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))) > 0, expected.mask())
    cut = Image.open(io.BytesIO(piped("--out", "-", "--save", "cutout").stdout))
    assert cut.mode == "RGBA"
    assert piped("--out", tmp_path).returncode == 0
    np.testing.assert_array_equal(np.asarray(opened(tmp_path / "stdin.png")) > 0, expected.mask())
    broken = piped("--out", "-", given=b"no picture")
    assert broken.returncode == 2
    assert broken.stdout == b""
    assert b"standard input: broken or no picture" in broken.stderr


@pytest.mark.parametrize("words", [("--save=table",), ("--save=cutout", "--save=npy"), ()])
def test_to_standard_output_goes_one_thing(words, predict, folder):
    result = predict(folder if not words else folder / "images/a.png", "--out", "-", *words)
    assert result.code == 2
    assert "to stdout goes one picture's mask" in result.err


def test_shards_take_each_picture_once_whatever_is_added(tmp_path):
    def names(shard):
        return set(find_inputs([tmp_path], tmp_path / "out", shard).pictures)

    for i in range(300):
        (tmp_path / f"{i}.png").touch()
    before = [names((k, 5)) for k in range(1, 6)]
    assert sorted(name for shard in before for name in shard) == sorted(str(i) for i in range(300))
    assert all(30 < len(shard) < 90 for shard in before)
    for i in range(300, 400):
        (tmp_path / f"{i}.png").touch()
    after = [names((k, 5)) for k in range(1, 6)]
    assert all(old <= new for old, new in zip(before, after, strict=True))
    assert sum(map(len, after)) == 400


def test_processes_of_torchrun_are_shards(network, folder, tmp_path):
    (folder / "images/broken.png").touch()
    command = [COMMAND.with_name("torchrun"), "--nproc-per-node=2", "--standalone", "-m", "sam2unet", "predict",
               export_model(network(), tmp_path, "m", "onnx"), folder, "--out", tmp_path, "--save", "rle"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 1
    assert done.stderr.count("broken.png: broken or no picture") == 1
    shards = [json.loads((tmp_path / f"coco_rle-{k}-of-2.json").read_text()) for k in (1, 2)]
    images = [image for shard in shards for image in shard["images"]]
    assert sorted(image["file_name"] for image in images) == ["a.png", "b.JPG", "sub/c.tif"]
    assert len({image["id"] for image in images}) == 3
    assert (tmp_path / "sub/c.png").exists()


def test_what_goes_wrong_is_named_at_the_end_and_stops_nothing(predict, folder, tmp_path, photo, monkeypatch):
    images = folder / "images"
    (images / "empty.png").write_bytes(b"")
    (images / "text.jpg").write_text("no picture")
    Image.fromarray(photo(200, 200)).save(images / "torn.png")
    (images / "torn.png").write_bytes((images / "torn.png").read_bytes()[:5000])
    Image.new("1", (30000, 30000)).save(images / "bomb.png")
    for suffix in ("bmp", "png", "jpg"):
        Image.fromarray(photo()).save(images / f"twin.{suffix}")
    (images / "locked").mkdir()
    real = os.scandir

    def scandir(path):  # root may read everything
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = predict(folder, "--out", tmp_path / "out")
    assert result.code == 1
    for said in ("empty.png: broken or no picture", "text.jpg: broken or no picture", "torn.png: broken",
                 "bomb.png: 30000x30000 is more than 400 million pixels", "locked: the folder can't be read",
                 "twin.bmp and", "twin.png have the same name", "7 failed, 3 done"):  # fmt: skip
        assert said in result.err
    assert result.out.startswith("3 predicted")
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.png")) == ["a.png", "b.png", "c.png"]


def test_large_pictures_are_allowed_on_demand(predict, tmp_path, photo):
    Image.fromarray(photo(50, 70)).save(tmp_path / "a.png")
    refused = predict(tmp_path / "a.png", "--out", tmp_path / "out", "--most-pixels", 3499)
    assert refused.code == 2
    assert "a.png: 70x50 is more than 0.003499 million pixels" in refused.err
    assert predict(tmp_path / "a.png", "--out", tmp_path / "out", "--most-pixels", 3500).code == 0


def test_processes_of_torchrun_share_the_cores(network, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    model = export_model(network(), tmp_path, "m", "onnx")
    compiled = Predictor(model, "cpu", "openvino").backend._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == max(1, os.cpu_count() // 2)
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_each_process_of_torchrun_has_its_gpu(monkeypatch):
    monkeypatch.setattr("sam2unet.system.device.is_known_cpu", lambda name: name == "cpu")
    monkeypatch.setattr(
        "sam2unet.system.device.find_device", lambda name: torch.device("cuda" if name == "auto" else name)
    )
    assert local_device("auto") == "auto"
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert [local_device(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda:2", "cuda:2", "cuda:0", "cpu"]
    monkeypatch.setattr("sam2unet.system.device.find_device", lambda name: torch.device("mps"))
    assert local_device("auto") == "auto"


def test_the_bar_says_how_many_a_second_and_how_long_still():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress_bar(console, "predicting") as move:
        for done in range(20):
            move(done, 40)
            time.sleep(0.02)
    last = console.file.getvalue().rpartition("predicting")[2]
    rate = float(re.search(r"19/40\D*([\d.]+)/s", re.sub(r"\x1b\[[\d;]*m", "", last))[1])
    assert 10 < rate < 50
    assert "ETA" in last


def test_no_output_replaces_a_picture_or_anothers_output(predict, photo, tmp_path):
    names = [
        "out/a.png",
        "out/overlays/b.png",
        "in/a.jpg",
        "in/b.png",
        "in/overlays/c.png",
        "in/c.png",
        "in/film/0001.png",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo()).save(tmp_path / name)
    frames = [Image.fromarray(photo()) for _ in range(3)]
    frames[0].save(tmp_path / "in/film.tif", save_all=True, append_images=frames[1:])
    before = {name: (tmp_path / name).read_bytes() for name in names}
    given = (tmp_path / "in", tmp_path / "out/a.png", tmp_path / "out/overlays/b.png")
    result = predict(*given, "--out", tmp_path / "out", "--overwrite", "--overlay")
    assert result.code == 1
    assert before == {name: (tmp_path / name).read_bytes() for name in names}
    for said in ("a.jpg and", "out/a.png would both", "b.png would both", "overlays/c.png: its mask would lie in",
                 "film.tif and", "film/0001.png would both be written as film/0001.png", "4 failed"):  # fmt: skip
        assert said.replace("/", os.sep) in result.err.replace("/", os.sep)
    made = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")} - {"a.png"}
    expected = {"c.png", "film/0000.png", "film/0001.png", "film/0002.png"}
    assert made == expected | {f"overlays/{name}" for name in expected} | {"overlays/b.png"}
    alone = predict(tmp_path / "out/overlays/b.png", "--out", tmp_path / "out", "--overwrite", "--overlay")
    assert alone.code == 2
    assert "its mask would replace it; name another folder with --out" in alone.err
    assert (tmp_path / "out/overlays/b.png").read_bytes() == before["out/overlays/b.png"]


def test_a_table_of_others_stays(predict, folder, tmp_path):
    for name, kind in (("summary.csv", "table"), ("coco_rle.json", "rle")):
        (tmp_path / name).write_text("mine")
        words = (folder / "images/a.png", "--out", tmp_path, "--save", kind)
        result = predict(*words)
        assert result.code == 2
        assert f"{name}: is no table of ours" in result.err
        assert (tmp_path / name).read_text() == "mine"
        assert predict(*words, "--overwrite").code == 0
        assert predict(*words).code == 0  # now it is
        assert "a" in (tmp_path / name).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_may_be_any_bytes(predict, photo, tmp_path):
    for name in (b"\xff\xfe.png", b"x" * 250 + b".png", " -ä\n.png".encode()):
        Image.fromarray(photo()).save(tmp_path / "a.png")
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "a.png").rename(tmp_path / "in" / os.fsdecode(name))
    result = predict(tmp_path / "in", "--out", tmp_path / "out", "--json", *saves(*ALL))
    assert result.code == 0, result.err
    assert len([json.loads(line) for line in result.out.split("\n") if line]) == 3
    assert (tmp_path / "out" / os.fsdecode(b"\xff\xfe.png")).exists()
    assert b"\xff\xfe.png" in (tmp_path / "out/summary.csv").read_bytes()


def test_what_can_not_be_written_is_named_and_stops_nothing(predict, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").touch()
    result = predict(folder, "--out", tmp_path / "out")
    assert result.code == 1
    assert f"{folder / 'images/sub/c.tif'}: can't be written" in result.err
    assert (tmp_path / "out/a.png").exists()
    assert (tmp_path / "out/b.png").exists()


def test_no_room_ends_the_run(predict, photo, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    pages = [Image.fromarray(photo()) for _ in range(30)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    for i, page in enumerate(pages):
        page.save(tmp_path / f"in/{i:02d}.png")
    tried = []

    def full(picture, path):
        tried.append(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("sam2unet.prediction.folder.save_picture", full)
    for given in (tmp_path / "in", tmp_path / "pages.tif"):
        result = predict(given, "--out", tmp_path / "out", "--save", "table")
        assert result.code == 2
        assert "no room is left there" in result.err
        assert 1 <= len(tried) < 15
        assert not (tmp_path / "out/summary.csv").exists()
        tried.clear()


def test_masks_that_are_there_must_fit_their_pictures(predict, folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (70, 50)).save(out / "a.png")
    Image.new("L", (5, 5)).save(out / "b.png")
    result = predict(folder, "--out", out, "--json")
    assert result.code == 1
    assert f"{out / 'a.png'}: is there and is no mask; name another folder" in result.err
    assert f"{out / 'b.png'}: not of the picture's size; --overwrite" in result.err
    Image.new("L", (50, 70)).save(out / "c.png")  # turned
    Image.fromarray(np.asarray(opened(folder / "images/a.png"))).save(folder / "c.png")
    assert "c.png: not of the picture's size" in predict(folder / "c.png", "--out", out, "--save", "cutout").err
    overwritten = predict(folder / "images/a.png", "--out", out, "--overwrite")
    assert overwritten.code == 2
    assert opened(out / "a.png").mode == "RGB"


def test_masks_that_are_there_must_be_of_the_networks_classes(network, run, folder, tmp_path):
    model = export_model(network(classes=3), tmp_path, "m", "onnx")
    Image.new("L", (70, 50), 255).save(tmp_path / "a.png")
    result = run("predict", model, folder / "images/a.png", "--out", tmp_path, "--overlay")
    assert result.code == 2
    assert "a.png: holds class 255, but the network has 3 classes" in result.err


def test_all_outputs_go_by_the_mask_that_is_there(predict, folder, tmp_path):
    out, words = tmp_path / "out", ("--save", "table", "--save", "overlay", "--save", "cutout")
    out.mkdir()
    drawn = np.zeros((50, 70), np.uint8)
    drawn[10:20, 30:50] = 255
    Image.fromarray(drawn).save(out / "a.png")
    (line,) = predict(folder / "images/a.png", "--out", out, "--json", *words).out.splitlines()
    assert json.loads(line)["classes"][0]["boxes"] == [[30, 10, 20, 10]]
    np.testing.assert_array_equal(np.asarray(opened(out / "cutouts/a.png"))[..., 3] > 0, drawn > 0)
    shown = np.asarray(opened(out / "overlays/a.png")) != np.asarray(opened(folder / "images/a.png"))
    rows, columns = np.nonzero(shown.any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 20, 29, 50)
    np.testing.assert_array_equal(np.asarray(opened(out / "a.png")), drawn)


def test_too_little_memory_for_one_picture_stops_no_other(network, folder, tmp_path):
    predictor = Predictor(network(), "cpu", "torch", batch_size=3)
    whole = predictor.backend.logits
    red = np.zeros((30, 30, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(folder / "images/red.png")

    def logits(pictures):
        if (pictures == [255, 0, 0]).all(axis=(1, 2, 3)).any():
            raise MemoryError
        return whole(pictures)

    predictor.backend.logits = logits
    result = predict_folder(predictor, find_inputs([folder], tmp_path / "out"), tmp_path / "out")
    assert result.done == 3
    assert result.failed == [f"{folder / 'images/red.png'}: there is not enough memory for it"]


def test_masks_of_one_picture_do_not_stop_a_folder(predict, photo, tmp_path):
    for name in ("a.jpg", "a_mask.png", "a_gt.png", "b.jpg"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(photo()).save(tmp_path / "in" / name)
    result = predict(tmp_path / "in", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}


def test_outputs_inside_the_folder_are_never_its_pictures(predict, folder):
    for _ in range(2):
        assert predict(folder, "--out", folder / "images/pictures").code == 0
    shutil.rmtree(folder / "images/pictures")
    assert predict(folder, "--out", folder / "masks").out.startswith("3 predicted")


@pytest.mark.parametrize("classes", [1, 3])
def test_cut_outs_are_whole_where_the_network_is_sure_and_in_filled_holes(classes, network, photo):
    predictor = Predictor(network(classes), "cpu", "torch", "float32")
    prediction = predictor.predict(photo())
    for threshold in (0.5, 0.9, 0.99, 1):
        certain = np.array([[0, threshold - 0.01, threshold, (1 + threshold) / 2, 1]], np.float32)
        edge = soft_edge(certain, threshold)
        assert edge[0, -2:].tolist() == [255, 255]
        assert edge[0, 2] in ((255,) if threshold == 1 else (127, 128))
    outputs = Outputs(frozenset({"cutout"}), min_hole=10**6)
    drawn = outputs.draw(prediction, predictor.card)
    filled = (np.asarray(drawn["mask"]) > 0) & (prediction.mask() == 0)
    assert filled.any()
    assert (np.asarray(drawn["cutout"])[..., 3][filled] == 255).all()


def test_a_torn_page_is_named_and_the_rest_read(predict, photo, tmp_path):
    pages = [Image.fromarray(photo(64, 64)) for _ in range(5)]
    pages[0].save(tmp_path / "t.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    with Image.open(tmp_path / "t.tif") as picture:
        picture.seek(2)
        (offset, *_), (length, *_) = picture.tag_v2[273], picture.tag_v2[279]
    content = bytearray((tmp_path / "t.tif").read_bytes())
    content[offset : offset + length] = b"\xff" * length
    (tmp_path / "t.tif").write_bytes(content)
    result = predict(tmp_path / "t.tif", "--out", tmp_path / "out")
    assert result.code == 1
    assert f"{tmp_path / 't.tif'}, frame 2: broken" in result.err
    assert sorted(p.name for p in (tmp_path / "out/t").iterdir()) == ["0000.png", "0001.png", "0003.png", "0004.png"]


def test_frames_come_from_standard_input_and_whatever_the_suffix(network, run, photo, tmp_path):
    model = export_model(network(), tmp_path, "m", "onnx")
    frames = [Image.fromarray(photo()) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "film.gif").rename(tmp_path / "film.jpg")
    assert run("predict", model, tmp_path / "film.jpg", "--out", tmp_path / "out").out.startswith("3 predicted")
    command = [COMMAND, "predict", model, "-", "--device", "cpu", "--out"]
    content = (tmp_path / "film.jpg").read_bytes()
    assert subprocess.run([*command, tmp_path / "out"], input=content, check=True).returncode == 0
    for i in range(3):
        np.testing.assert_array_equal(
            *(np.asarray(opened(tmp_path / f"out/{n}/000{i}.png")) for n in ("film", "stdin"))
        )
    single = subprocess.run([*command, "-"], input=content, capture_output=True)
    assert single.returncode == 2
    assert b"holds several pictures" in single.stderr


def test_a_file_may_be_named_twice_and_globs_keep_their_folders(predict, folder, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "other").mkdir()
    (folder / "x.png").mkdir()
    Image.fromarray(photo()).save(folder / "other/a.png")
    twice = predict("images/a.png", folder / "images/a.png", "--out", tmp_path / "out")
    assert (twice.code, twice.out[:11]) == (0, "1 predicted")
    assert predict("**/*.png", "--out", tmp_path / "globbed").code == 0
    found = {p.relative_to(tmp_path / "globbed").as_posix() for p in (tmp_path / "globbed").rglob("*.png")}
    assert found == {"images/a.png", "other/a.png"}
    for _ in range(2):
        assert predict("**/*.png", "--out", folder / "found").code == 0
    assert {p.name for p in (folder / "found").iterdir()} == {"images", "other"}
    assert predict("*/../images/a.png", "--out", tmp_path / "up").code == 0
    assert (tmp_path / "up/a.png").exists()


def test_shards_of_the_command(predict, folder, tmp_path, monkeypatch, photo):
    for suffix in ("jpg", "png"):
        Image.fromarray(photo()).save(folder / f"images/twin.{suffix}")
    results = [predict(folder, "--out", tmp_path / "out", "--shard", f"{k}/3", "--save", "table") for k in (1, 2, 3)]
    assert sorted(result.code for result in results) in ([0, 0, 1], [0, 0, 2])
    assert ["have the same name" in result.err for result in results] == [True, False, False]
    assert {p.name for p in (tmp_path / "out").rglob("*.png")} == {"a.png", "b.png", "c.png"}
    assert sum(int(result.out.split()[0]) for result in results) == 3
    monkeypatch.setenv("WORLD_SIZE", "2")
    names = Counter[str]()
    for shard, rank in ((1, 0), (1, 1), (2, 0), (2, 1)):
        monkeypatch.setenv("RANK", str(rank))
        predict(folder, "--out", tmp_path / "ranks", "--shard", f"{shard}/2", "--save", "rle")
        table = json.loads((tmp_path / f"ranks/coco_rle-{2 * (shard - 1) + rank + 1}-of-4.json").read_text())
        names.update(image["file_name"] for image in table["images"])
    assert names == {"a.png": 1, "b.JPG": 1, "sub/c.tif": 1}


def test_an_interrupted_run_goes_on_where_it_stopped(network, photo, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(300):
        Image.fromarray(photo(100, 100)).save(tmp_path / f"in/{i:03d}.png")
    model, out = export_model(network(), tmp_path, "m", "onnx"), tmp_path / "out"
    command = [COMMAND, "predict", model, tmp_path / "in", "--out", out, "--save", "table"]
    running = subprocess.Popen([*command, "--quiet"], stderr=subprocess.PIPE, text=True)
    while not out.is_dir() or len(list(out.glob("*.png"))) < 5:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert (running.returncode, said) == (130, "sam2unet: interrupted\n")
    done = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert 5 <= len(done) < 300
    assert not any(name.startswith(".") or name == "summary.csv" for name in done)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.startswith(f"{300 - len(done)} predicted")
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert len((out / "summary.csv").read_text().splitlines()) == 301


def test_views_reach_the_command(predict, model_file, folder, tmp_path):
    words = ("--tile", 64, "--overlap", 0.5, "--flip-tta", "--scales", "0.5,1", "--letterbox", "--save", "npy")
    assert predict(folder, "--out", tmp_path / "out", *words).code == 0
    views = Views(64, 0.5, True, (0.5, 1), True)
    expected = Predictor(model_file, "cpu", "torch", views=views).predict(folder / "images/sub/c.tif").probability
    np.testing.assert_allclose(np.load(tmp_path / "out/npy/sub/c.npy"), expected, atol=1e-6)
    plain = Predictor(model_file, "cpu", "torch").predict(folder / "images/sub/c.tif").probability
    assert np.abs(plain - expected).mean() > 0.01

"""Whole folders: every kind of output, frames, tables and lines, progress, what fails, interruptions."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2unet import Predictor
from sam2unet.export import export_model
from sam2unet.prediction import Outputs, find_inputs, predict_folder

COMMAND = Path(sys.executable).with_name("sam2unet")
ALL = ("overlay", "probability", "probability16", "npy", "cutout", "table", "rle", "polygons")


def saves(*kinds):
    return [f"--save={kind}" for kind in kinds]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_output_is_written_at_the_images_size(predict, model_file, folder, tmp_path):
    out = tmp_path / "out"
    result = predict(folder, "--out", out, "--threshold", "0.4", *saves(*ALL))
    assert result.code == 0, result.err
    predictor = Predictor(model_file, "cpu", "torch")
    for name, file in (("a", "a.png"), ("b", "b.JPG"), ("sub/c", "sub/c.tif")):
        probability = predictor.predict(folder / "images" / file).probability
        np.testing.assert_array_equal(np.load(out / f"npy/{name}.npy"), probability)
        np.testing.assert_array_equal(pixels(out / f"{name}.png") == 255, probability >= np.float32(0.4))
        np.testing.assert_array_equal(pixels(out / f"probability/{name}.png"), np.round(probability * 255))
        np.testing.assert_array_equal(pixels(out / f"probability16/{name}.png"), np.round(probability * 65535))
        image = pixels(folder / "images" / file)
        np.testing.assert_array_equal(pixels(out / f"cutouts/{name}.png")[..., :3], image)
        np.testing.assert_array_equal(pixels(out / f"cutouts/{name}.png")[..., 3] > 0, pixels(out / f"{name}.png") > 0)
        assert pixels(out / f"overlays/{name}.png").shape == image.shape
    assert not list(out.rglob(".*"))


def test_tables_and_lines_agree_with_the_masks(predict, folder, tmp_path):
    out = tmp_path / "out"
    result = predict(folder, "--out", out, "--json", *saves("table", "rle"))
    assert result.code == 0, result.err
    lines = {line["name"]: line for line in map(json.loads, result.out.splitlines())}
    with (out / "summary.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    coco = json.loads((out / "coco_rle.json").read_text())
    coco_area = Counter()
    for annotation in coco["annotations"]:
        coco_area[annotation["image_id"]] += annotation["area"]
    for image in coco["images"]:
        name = image["file_name"].rpartition(".")[0]
        mask, row, line = pixels(out / f"{name}.png") > 0, rows[name], lines[name]
        assert (image["height"], image["width"]) == mask.shape == (line["height"], line["width"])
        assert (line["mask"], line["kept"]) == (str(out / f"{name}.png"), False)
        assert row["image"] == line["image"] == str(folder / "images" / image["file_name"])
        (found,) = line["classes"]
        assert int(row["area"]) == found["area"] == coco_area[image["id"]] == mask.sum() > 0
        assert int(row["components"]) == found["components"] == len(found["boxes"])
        left, top, width, height = np.array(found["boxes"]).T
        y, x = np.nonzero(mask)
        assert (left.min(), top.min()) == (x.min(), y.min())
        assert ((left + width).max(), (top + height).max()) == (x.max() + 1, y.max() + 1)


def test_tables_and_lines_include_kept_images(predict, folder, tmp_path):
    out, words = tmp_path / "out", saves("table", "rle")
    predict(folder, "--out", out, *words)
    before = (out / "summary.csv").read_text(), json.loads((out / "coco_rle.json").read_text())["annotations"]
    (out / "b.png").unlink()
    result = predict(folder, "--out", out, "--json", *words)
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert {line["name"]: line["kept"] for line in lines} == {"a": True, "b": False, "sub/c": True}
    assert sorted((out / "summary.csv").read_text().splitlines()) == sorted(before[0].splitlines())
    again = json.loads((out / "coco_rle.json").read_text())["annotations"]
    assert Counter(annotation["area"] for annotation in again) == Counter(a["area"] for a in before[1])


def test_lines_name_errors(predict, folder, tmp_path):
    (folder / "images/z.png").write_bytes(b"")
    result = predict(folder, "--out", tmp_path / "out", "--json")
    assert result.code == 1
    *good, bad = sorted(map(json.loads, result.out.splitlines()), key=lambda line: "error" in line)
    assert len(good) == 3
    assert str(folder / "images/z.png") in bad["error"]


def test_several_classes_have_maps_and_names(network, run, folder, tmp_path):
    model, out = network(classes=3), tmp_path / "out"
    model.card = replace(model.card, class_names=["nothing", "cat", "dog"])
    file = export_model(model, tmp_path, "m", "onnx")
    assert run("predict", file, folder, "--out", out, *saves(*ALL)).code == 0
    values = np.load(out / "npy/b.npy")
    mask = pixels(out / "b.png")
    np.testing.assert_array_equal(mask, values.argmax(axis=0))
    for i in range(3):
        np.testing.assert_array_equal(pixels(out / f"probability16/{i}/b.png"), np.round(values[i] * 65535))
    with (out / "summary.csv").open(newline="") as table:
        areas = {row["class"]: int(row["area"]) for row in csv.DictReader(table) if row["name"] == "b"}
    assert areas == {"cat": (mask == 1).sum(), "dog": (mask == 2).sum()}
    np.testing.assert_array_equal(pixels(out / "cutouts/b.png")[..., 3] == 255, mask > 0)


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_frames_and_pages_are_images_of_their_own(suffix, predict, photo, tmp_path):
    frames = [Image.fromarray(photo(40, 60)).quantize(64).convert("RGB") for _ in range(4)]
    (tmp_path / "in").mkdir()
    options = {"webp": {"lossless": True}}.get(suffix, {})
    frames[0].save(tmp_path / f"in/film.{suffix}", save_all=True, append_images=frames[1:], **options)
    frames[2].save(tmp_path / "in/third.png")
    out = tmp_path / "out"
    assert predict(tmp_path / "in", "--out", out).out.startswith("5 predicted")
    assert sorted(p.name for p in (out / "film").iterdir()) == [f"000{i}.png" for i in range(4)]
    assert not (out / "film.png").exists()
    np.testing.assert_array_equal(pixels(out / "film/0002.png"), pixels(out / "third.png"))
    (out / "film/0001.png").unlink()
    summary = predict(tmp_path / "in", "--out", out).out
    assert summary.startswith("1 predicted")
    assert "4 existed already" in summary


def test_frames_are_found_whatever_the_suffix(predict, photo, tmp_path):
    frames = [Image.fromarray(photo(20, 20)) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "film.gif").rename(tmp_path / "film.jpg")
    assert predict(tmp_path / "film.jpg", "--out", tmp_path / "out").out.startswith("3 predicted")


def test_reduced_copies_in_a_tiff_are_no_pages(predict, photo, tmp_path):
    whole, small = Image.fromarray(photo(40, 60)), Image.fromarray(photo(20, 30))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "slide.tif", save_all=True, append_images=[small], tiffinfo={254: 0})
    with Image.open(tmp_path / "slide.tif") as slide:
        assert slide.n_frames == 2
    assert predict(tmp_path / "slide.tif", "--out", tmp_path / "out").code == 0
    assert pixels(tmp_path / "out/slide.png").shape == (40, 60)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1


def test_a_torn_page_is_named_and_the_others_predicted(predict, photo, tmp_path):
    pages = [Image.fromarray(photo(64, 64)) for _ in range(5)]
    pages[0].save(tmp_path / "t.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    with Image.open(tmp_path / "t.tif") as image:
        image.seek(2)
        (offset, *_), (length, *_) = image.tag_v2[273], image.tag_v2[279]
    content = bytearray((tmp_path / "t.tif").read_bytes())
    content[offset : offset + length] = b"\xff" * length
    (tmp_path / "t.tif").write_bytes(content)
    result = predict(tmp_path / "t.tif", "--out", tmp_path / "out")
    assert result.code == 1
    assert f"{tmp_path / 't.tif'}, frame 2: broken" in result.err
    assert sorted(p.name for p in (tmp_path / "out/t").iterdir()) == ["0000.png", "0001.png", "0003.png", "0004.png"]


@pytest.fixture
def locked(monkeypatch):
    """Makes folders called locked unreadable, for root too."""
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_what_fails_is_named_at_the_end_and_stops_nothing(predict, folder, tmp_path, photo, locked):
    images = folder / "images"
    (images / "empty.png").write_bytes(b"")
    (images / "text.jpg").write_text("no image")
    Image.fromarray(photo(200, 200)).save(images / "torn.png")
    (images / "torn.png").write_bytes((images / "torn.png").read_bytes()[:5000])
    Image.new("1", (30000, 30000)).save(images / "bomb.png")
    for suffix in ("bmp", "png", "jpg"):
        Image.fromarray(photo()).save(images / f"twin.{suffix}")
    (images / "locked").mkdir()
    result = predict(folder, "--out", tmp_path / "out")
    assert result.code == 1
    for words in ("empty.png: broken", "text.jpg: broken", "torn.png: broken", "bomb.png: 30000x30000 is more than 400",
                  "locked: ", "can't be read", "twin.bmp and", "7 failed, 3 done"):  # fmt: skip
        assert words in result.err
    assert result.out.startswith("3 predicted")
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.png")) == ["a.png", "b.png", "c.png"]


def test_an_image_that_memory_does_not_suffice_for_is_named(network, folder, tmp_path):
    predictor = Predictor(network(), "cpu", "torch", batch_size=3)
    run = predictor.backend.logits
    Image.new("RGB", (30, 30), (255, 0, 0)).save(folder / "images/red.png")

    def run_out_of_memory_for_red(images):
        if (images == [255, 0, 0]).all(axis=(1, 2, 3)).any():
            raise MemoryError
        return run(images)

    predictor.backend.logits = run_out_of_memory_for_red
    result = predict_folder(predictor, find_inputs([folder], tmp_path / "out"), tmp_path / "out")
    assert result.done == 3
    assert list(map(str, result.failed)) == [f"{folder / 'images/red.png'}: not enough memory to predict it"]


def test_masks_beside_their_images_are_not_predicted(predict, photo, tmp_path):
    for name in ("a.jpg", "a_mask.png", "a_gt.png", "b.jpg"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(photo()).save(tmp_path / "in" / name)
    result = predict(tmp_path / "in", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize("out", ["images/pictures", "masks"])
def test_outputs_inside_the_folder_are_no_inputs_of_the_next_run(out, predict, folder):
    for predicted in (3, 0):
        result = predict(folder, "--out", folder / out)
        assert result.code == 0
        assert result.out.startswith(f"{predicted} predicted")


def test_progress_counts_every_image_once_whatever_fails(network, folder, tmp_path):
    (folder / "images/z.png").write_bytes(b"\x89PNG broken")
    reports, inputs = [], find_inputs([folder], tmp_path / "out")
    predictor = Predictor(network(), "cpu", "torch")
    predict_folder(predictor, inputs, tmp_path / "out", progress=lambda done, total: reports.append((done, total)))
    assert reports == [(done, 4) for done in range(5)]


def test_progress_expects_frames_and_errors_as_they_are_found(network, photo, tmp_path):
    frames = [Image.fromarray(photo(20, 20)) for _ in range(3)]
    (tmp_path / "in").mkdir()
    frames[0].save(tmp_path / "in/film.gif", save_all=True, append_images=frames[1:])
    for suffix in ("jpg", "png"):
        frames[0].save(tmp_path / f"in/twin.{suffix}")
    reports, inputs = [], find_inputs([tmp_path / "in"], tmp_path / "out")
    predictor = Predictor(network(), "cpu", "torch")
    predict_folder(predictor, inputs, tmp_path / "out", progress=lambda done, total: reports.append((done, total)))
    assert reports[0] == (0, 1)  # the film; its frames are not known yet
    assert reports[1] == (1, 2)  # the twins
    assert reports[-1] == (4, 4)


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


def test_shards_together_predict_the_folder_once(predict, folder, tmp_path, monkeypatch):
    results = [predict(folder, "--out", tmp_path / "out", "--shard", f"{k}/3", *saves("table")) for k in (1, 2, 3)]
    assert {p.name for p in (tmp_path / "out").rglob("*.png")} == {"a.png", "b.png", "c.png"}
    assert sum(int(result.out.split()[0]) for result in results) == 3
    assert {p.name for p in (tmp_path / "out").glob("*.csv")} == {f"summary-{k}-of-3.csv" for k in (1, 2, 3)}


def test_processes_of_torchrun_divide_shards(predict, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    names = Counter()
    for shard, rank in ((1, 0), (1, 1), (2, 0), (2, 1)):
        monkeypatch.setenv("RANK", str(rank))
        predict(folder, "--out", tmp_path / "out", "--shard", f"{shard}/2", *saves("rle"))
        table = json.loads((tmp_path / f"out/coco_rle-{2 * (shard - 1) + rank + 1}-of-4.json").read_text())
        names.update(image["file_name"] for image in table["images"])
    assert names == {"a.png": 1, "b.JPG": 1, "sub/c.tif": 1}


def test_torchrun_predicts_a_folder_and_names_a_failure_once(network, folder, tmp_path):
    (folder / "images/broken.png").touch()
    command = [COMMAND.with_name("torchrun"), "--nproc-per-node=2", "--standalone", "-m", "sam2unet", "predict",
               export_model(network(), tmp_path, "m", "onnx"), folder, "--out", tmp_path, "--save", "rle"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 1
    assert done.stderr.count("broken.png: broken") == 1
    shards = [json.loads((tmp_path / f"coco_rle-{k}-of-2.json").read_text()) for k in (1, 2)]
    images = [image for shard in shards for image in shard["images"]]
    assert sorted(image["file_name"] for image in images) == ["a.png", "b.JPG", "sub/c.tif"]
    assert len({image["id"] for image in images}) == 3
    assert (tmp_path / "sub/c.png").exists()


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
    _, errors = running.communicate()
    assert (running.returncode, errors) == (130, "sam2unet: interrupted\n")
    done = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert 5 <= len(done) < 300
    assert not any(name.startswith(".") or name == "summary.csv" for name in done)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.startswith(f"{300 - len(done)} predicted")
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert len((out / "summary.csv").read_text().splitlines()) == 301


def test_masks_are_written_without_scipy(network, folder, tmp_path):
    """In a process of its own, since scipy is imported already in this one."""
    model, out = export_model(network(), tmp_path, "m", "onnx"), tmp_path / "out"
    code = """if True:
        import sys
        sys.modules.update(dict.fromkeys(["scipy", "contourpy", "torch"]))  # as if they were not installed
        from pathlib import Path
        from sam2unet.prediction import Outputs, Predictor, find_inputs, predict_folder
        model, images, out = map(Path, sys.argv[1:])
        outputs = Outputs(frozenset({"probability", "probability16", "npy", "cutout"}))
        print(predict_folder(Predictor(model, "cpu"), find_inputs([images], out), out, outputs).done)"""
    done = subprocess.run([sys.executable, "-c", code, model, folder, out], capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr


def test_outputs_that_need_scipy_say_so(network, monkeypatch):
    monkeypatch.setattr("sam2unet.prediction.components.is_installed", lambda package: False)
    for options in ({"save": frozenset({"overlay"})}, {"save": frozenset({"table"})}, {"min_part": 3}):
        with pytest.raises(ValueError, match="pip install scipy contourpy"):
            Outputs(**options)

"""The paper's tables from sets that are there, by a model and by other methods' maps."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import bootstrap

import sam2unet
from sam2unet.benchmark import intervals, published_map
from sam2unet.benchmark.catalogue import catalogue
from sam2unet.evaluation import ImageScores

from .test_catalogue import SETS, pairs

RNG = np.random.default_rng(0)
LAYOUTS = {
    "PASCAL-S/images | PASCAL-S/segmentations": "PASCAL-S",
    "TestDataset/CVC-300/images | TestDataset/CVC-300/masks": "CVC-300",
    "MSD/test/image | MSD/test/mask": "MSD",
}


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Three sets of four pictures each; the objects are the bright parts."""
    root = tmp_path_factory.mktemp("sets")
    for layout in LAYOUTS:
        images, masks = (root / folder for folder in layout.split(" | "))
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for i in range(4):
            picture = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            big = Image.fromarray(picture).resize((50 + i, 40), Image.Resampling.BICUBIC)
            big.save(images / f"{i}.jpg")
            Image.fromarray((np.asarray(big.convert("L")) > 130) * np.uint8(255)).save(masks / f"{i}.png")
    return root


@pytest.fixture(scope="session")
def maps(root, tmp_path_factory):
    """Another method's maps, of two of the sets, one map missing."""
    folder = tmp_path_factory.mktemp("other")
    for name, images in (("PASCAL-S", "PASCAL-S/images"), ("MSD", "MSD/test/image")):
        (folder / name).mkdir()
        for path in sorted((root / images).iterdir())[: 4 if name == "MSD" else 3]:
            Image.open(path).convert("L").save(folder / name / f"{path.stem}.png")
    return folder


def test_maps_are_those_of_the_authors_script():
    for shape in ((7, 9), (30, 20)):
        probability = RNG.random(shape).astype(np.float32) * np.float32(0.7)
        result = torch.from_numpy(probability)
        result = (result - result.min()) / (result.max() - result.min() + 1e-8)
        np.testing.assert_array_equal(published_map(probability), (result * 255).numpy().astype(np.uint8))
    assert not published_map(np.full((4, 4), 0.3, np.float32)).any()


@pytest.fixture
def measured(root, maps, network, tmp_path, run):
    """A model and the maps on all sets, by the command; gives where and how to do it again."""
    sam2unet.save_model(network(), tmp_path / "mine.safetensors")

    def go():
        return run("benchmark", tmp_path / "mine.safetensors", "--data", root, "--maps", f"grey_1={maps}",
                   "--out", tmp_path / "out", "--device", "cpu")  # fmt: skip

    return tmp_path / "out", go


def test_the_tables_hold_what_evaluate_gives_on_the_maps(measured, root):
    out, go = measured
    result = go()
    assert result.code == 1, result.err  # a map is missing
    found = json.loads((out / "benchmark.json").read_text())
    assert [(row["set"], row["method"]) for row in found["rows"]] == [
        ("PASCAL-S", "mine"), ("PASCAL-S", "grey_1"), ("MSD", "mine"), ("MSD", "grey_1"), ("CVC-300", "mine"),
    ]  # fmt: skip
    (folder,) = (out / "maps").iterdir()
    for row in found["rows"][::2]:
        (maps,) = folder.glob(f"{row['set']}-*")
        assert row["metrics"] == sam2unet.evaluate(maps, row["folder"])
        assert row["pictures_per_second"] > 0
        for name, (low, high) in row["intervals"].items():
            assert low <= row["metrics"][name] <= high
        assert set(row["intervals"]) == set(catalogue()[row["task"]].metrics)
    assert len(found["missing"]) == 15
    for words in ("ECSSD: missing", "CVC-300: 4 test pairs", "60 are published", "grey_1: no maps of CVC-300",
                  "grey_1 on PASCAL-S: 1 of 4 images skipped, no prediction"):  # fmt: skip
        assert words in result.err, words
    mine = found["rows"][0]["metrics"]
    reported = catalogue()["salient"].sets[3].reported
    assert reported == {"MAE": 0.043}
    lines = (out / "benchmark.md").read_text().splitlines()
    assert f"| mine | {mine['S']:.3f} | {mine['E_mean']:.3f} | {mine['MAE']:.3f} |" in lines
    assert "| SAM2-UNet (reported) | ? | ? | 0.043 |" in lines
    assert "| grey_1 | – | – |" in lines
    with (out / "benchmark.csv").open() as file:
        rows = {(r["set"], r["method"], r["metric"]): r for r in csv.DictReader(file)}
    assert float(rows["PASCAL-S", "mine", "S"]["value"]) == mine["S"]
    assert rows["PASCAL-S", "mine", "MAE"]["reported"] == "0.043"
    assert "PASCAL-S" in result.out


def test_latex_and_the_page_are_whole(measured):
    out, go = measured
    go()
    latex = (out / "benchmark.tex").read_text()
    assert r"grey\_1 &" in latex
    assert r"\multicolumn{3}{c}{MSD}" in latex
    for table in re.findall(r"\\begin{tabular}{(l(c+))}(.*?)\\end{tabular}", latex, re.DOTALL):
        rows = [line for line in table[2].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert {row.count("&") for row in rows} == {len(table[1])}
        assert len(rows) == 4  # the head, two methods, and what was reported
    page = (out / "benchmark.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("<svg") == 3 * 5
    assert "CVC-300: mine" in page


def test_maps_are_kept_while_the_model_is_the_same(measured, network, tmp_path):
    out, go = measured
    first = go()
    before = (out / "benchmark.json").read_text()
    (folder,) = (out / "maps").glob("*/MSD-*")
    (folder / "2.png").unlink()
    times = {path: path.stat().st_mtime_ns for path in folder.parent.rglob("*.png")}
    again = go()
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (folder / "2.png").is_file()
    rows = json.loads((out / "benchmark.json").read_text())["rows"]
    assert [row["metrics"] for row in rows] == [row["metrics"] for row in json.loads(before)["rows"]]
    assert [row["pictures_per_second"] is None for row in rows] == [True, True, False, True, True]
    assert first.code == again.code == 1
    sam2unet.save_model(network(seed=1), tmp_path / "mine.safetensors")
    go()
    assert len(list((out / "maps").iterdir())) == 2


def test_intervals_are_those_of_scipy():
    values, curves = RNG.random((40, 2)), RNG.random((40, 256)).astype(np.float32)
    pictures = [ImageScores("", Path(), Path(), None, {"S": a, "MAE": b}, curve)
                for (a, b), curve in zip(values.tolist(), curves, strict=True)]  # fmt: skip
    found = intervals(pictures, ["S", "F_max", "MAE"])
    for name, column in (("S", values[:, 0]), ("MAE", values[:, 1])):
        theirs = bootstrap((column,), np.mean, n_resamples=4000, method="percentile", random_state=1)
        assert found[name] == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    drawn = [curves[RNG.integers(0, 40, 40)].mean(axis=0).max() for _ in range(4000)]
    assert found["F_max"] == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "nothing to measure"), (["--maps", "nowhere"], "nowhere: no such folder"),
     (["--maps", "x={root}/MSD/test/mask"], "holds no folder that is called like"),
     (["{root}/none.pth"], "none.pth"), (["--maps", "x={maps}", "--task", "marine"], "holds none of MAS3K, RMAS")],
)  # fmt: skip
def test_what_cannot_be_measured_is_said(words, message, root, maps, tmp_path, run):
    words = [word.format(root=root, maps=maps) for word in words]
    result = run("benchmark", *words, "--data", root, "--out", tmp_path / "out")
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_a_model_of_several_classes_is_refused(root, network, tmp_path, run):
    sam2unet.save_model(network(classes=3), tmp_path / "three.safetensors")
    result = run("benchmark", tmp_path / "three.safetensors", "--data", root, "--out", tmp_path / "out")
    assert result.code == 2
    assert "one class" in result.err


def test_other_pictures_by_the_same_names_are_predicted_anew(root, network, tmp_path, run):
    sam2unet.save_model(network(), tmp_path / "mine.safetensors")
    for name in ("one", "two"):
        shutil.copytree(root / "PASCAL-S", tmp_path / name / "PASCAL-S")
    for i in range(4):
        picture = tmp_path / f"two/PASCAL-S/images/{i}.jpg"
        Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    scores = []
    for name, out in (("one", "out"), ("two", "out"), ("two", "fresh")):
        run("benchmark", tmp_path / "mine.safetensors", "--data", tmp_path / name, "--task", "salient",
            "--out", tmp_path / out, "--device", "cpu")  # fmt: skip
        scores.append(json.loads((tmp_path / out / "benchmark.json").read_text())["rows"][0]["metrics"])
    assert scores[0] != scores[1] == scores[2]
    picture = tmp_path / "two/PASCAL-S/images/0.jpg"
    Image.open(picture).rotate(180).save(picture)  # newer than its map
    assert run("benchmark", tmp_path / "mine.safetensors", "--data", tmp_path / "two", "--task", "salient",
               "--out", tmp_path / "out", "--device", "cpu").code == 0  # fmt: skip
    assert json.loads((tmp_path / "out/benchmark.json").read_text())["rows"][0]["pictures_per_second"]


def test_what_is_wrong_with_one_set_does_not_lose_the_others(root, maps, tmp_path, run):
    shutil.copytree(root, tmp_path / "sets")
    (tmp_path / "sets/TestDataset/CVC-300/masks/1.png").write_bytes(b"")
    shutil.copytree(root / "PASCAL-S", tmp_path / "sets/DUTS-TR")
    shutil.copytree(maps, tmp_path / "a")
    (tmp_path / "a/CVC-300").symlink_to(maps / "MSD")
    result = run("benchmark", "--data", tmp_path / "sets", "--maps", f"a|b={tmp_path / 'a'}", "--out", tmp_path / "out")
    assert result.code == 1
    for words in ("DUTS-TE: no test pairs in", "a|b on CVC-300: ", "masks/1.png"):
        assert words in result.err
    found = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [row["set"] for row in found["rows"]] == ["PASCAL-S", "MSD"]
    assert {"DUTS-TE", "CVC-300"} < set(found["missing"])
    assert r"| a\|b |" in (tmp_path / "out/benchmark.md").read_text()
    strict = run(
        "benchmark", "--data", tmp_path / "sets", "--maps", tmp_path / "a", "--out", tmp_path / "o", "--strict"
    )
    assert "a on PASCAL-S: 1 maps are missing" in strict.err
    (tmp_path / "both/x").mkdir(parents=True)
    for name in ("x", "y"):
        shutil.copytree(maps / "MSD", tmp_path / f"both/{name}/MSD")
    twice = run("benchmark", "--data", root, "--maps", tmp_path / "both", "--out", tmp_path / "o2")
    assert twice.code == 2
    assert "holds maps of MSD twice" in twice.err
    same = run("benchmark", "--data", root, "--maps", tmp_path / "a", "--maps", f"a={maps}", "--out", tmp_path / "o3")
    assert "--maps names a twice" in same.err


def test_all_eighteen_sets_in_their_own_layouts(tmp_path, run):
    for one in SETS:
        pairs(tmp_path / "sets", one.layouts[-1], 2)
        shutil.copytree((tmp_path / "sets" / one.layouts[-1].split(" | ")[1]).parent, tmp_path / "maps" / one.name)
    result = run("benchmark", "--data", tmp_path / "sets", "--maps", tmp_path / "maps", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [row["set"] for row in found["rows"]] == [one.name for one in SETS]
    assert not found["missing"]
    assert all(row["metrics"]["Dice"] == 1 for row in found["rows"])
    tables = (tmp_path / "out/benchmark.md").read_text()
    for task in catalogue().values():
        heads = " | ".join(f"{one.name} {metric}" for one in task.sets for metric in task.metrics)
        assert f"| method | {heads} |" in tables

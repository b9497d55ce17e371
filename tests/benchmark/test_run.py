"""The benchmark command: a model and other methods' maps on the test sets of a folder."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import sam2unet
from sam2unet.benchmark import catalogue

from .sets import SETS, write_pairs

LAYOUTS = [
    "PASCAL-S/images | PASCAL-S/segmentations",
    "TestDataset/CVC-300/images | TestDataset/CVC-300/masks",
    "MSD/test/image | MSD/test/mask",
]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Three sets of four images each; the objects are the bright parts."""
    root, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    for layout in LAYOUTS:
        images, masks = (root / folder for folder in layout.split(" | "))
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for i in range(4):
            coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            image = Image.fromarray(coarse).resize((50 + i, 40), Image.Resampling.BICUBIC)
            image.save(images / f"{i}.jpg")
            Image.fromarray((np.asarray(image.convert("L")) > 130) * np.uint8(255)).save(masks / f"{i}.png")
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


@pytest.fixture
def benchmark(root, maps, network, run):
    """Measure a model and the maps on all sets, by the command; returns its outcome and the folder of its files."""

    def measure(folder):
        if not (folder / "mine.safetensors").exists():
            sam2unet.save_model(network(), folder / "mine.safetensors")
        result = run("benchmark", folder / "mine.safetensors", "--data", root, "--maps", f"grey_1={maps}",
                     "--out", folder / "out", "--device", "cpu")  # fmt: skip
        return result, folder / "out"

    return measure


@pytest.fixture(scope="session")
def cached():
    return {}


@pytest.fixture
def measured(benchmark, cached, tmp_path_factory):
    """The outcome of a benchmark and the folder of its files, for tests that only read them."""
    if not cached:
        cached["result"] = benchmark(tmp_path_factory.mktemp("measured"))
    return cached["result"]


@pytest.fixture
def salient(model_file, tmp_path, run):
    """Measure a model on the salient sets of a folder, by the command; returns its only row."""

    def measure(data, out):
        result = run("benchmark", model_file, "--data", data, "--task", "salient", "--out", out, "--device", "cpu")
        assert result.code == 0, result.err
        (row,) = rows_of(out)
        return row

    return measure


def rows_of(out):
    return json.loads((out / "benchmark.json").read_text())["rows"]


def test_benchmark_json_holds_what_evaluate_returns_for_the_maps(measured):
    _, out = measured
    found = rows_of(out)
    assert [(row["set"], row["method"]) for row in found] == [
        ("PASCAL-S", "mine"), ("PASCAL-S", "grey_1"), ("MSD", "mine"), ("MSD", "grey_1"), ("CVC-300", "mine"),
    ]  # fmt: skip
    (folder,) = (out / "maps").iterdir()
    for row in found[::2]:
        (maps,) = folder.glob(f"{row['set']}-*")
        assert row["metrics"] == sam2unet.evaluate(maps, row["folder"])
        assert row["images_per_second"] > 0
        assert set(row["intervals"]) == set(catalogue()[row["task"]].metrics)
        for name, (low, high) in row["intervals"].items():
            assert low <= row["metrics"][name] <= high


def test_benchmark_remarks_on_what_is_missing(measured):
    result, out = measured
    assert result.code == 1, result.err  # a map is missing
    assert len(json.loads((out / "benchmark.json").read_text())["missing"]) == 15
    for words in ("ECSSD: missing", "CVC-300: 4 test pairs", "60 are published", "grey_1: no maps of CVC-300",
                  "grey_1 on PASCAL-S: 1 of 4 images skipped, no prediction"):  # fmt: skip
        assert words in result.err, words


def test_benchmark_tables_hold_the_scores_of_the_json_and_those_reported(measured):
    result, out = measured
    mine = rows_of(out)[0]["metrics"]
    lines = (out / "benchmark.md").read_text().splitlines()
    assert f"| mine | {mine['S']:.3f} | {mine['E_mean']:.3f} | {mine['MAE']:.3f} |" in lines
    assert "| SAM2-UNet (reported) | ? | ? | 0.043 |" in lines  # of PASCAL-S, the paper's text confirms MAE only
    assert "| grey_1 | – | – |" in lines
    with (out / "benchmark.csv").open() as file:
        rows = {(r["set"], r["method"], r["metric"]): r for r in csv.DictReader(file)}
    assert float(rows["PASCAL-S", "mine", "S"]["value"]) == mine["S"]
    assert rows["PASCAL-S", "mine", "MAE"]["reported"] == "0.043"
    assert rows["PASCAL-S", "mine", "MAE"]["images"] == "4"
    assert "PASCAL-S" in result.out


def test_benchmark_latex_has_as_many_cells_as_columns(measured):
    _, out = measured
    latex = (out / "benchmark.tex").read_text()
    assert r"grey\_1 &" in latex
    assert r"\multicolumn{3}{c}{MSD}" in latex
    for table in re.findall(r"\\begin{tabular}{(l(c+))}(.*?)\\end{tabular}", latex, re.DOTALL):
        rows = [line for line in table[2].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert {row.count("&") for row in rows} == {len(table[1])}
        assert len(rows) == 4  # the head, two methods, and what was reported


def test_benchmark_page_is_self_contained(measured):
    _, out = measured
    page = (out / "benchmark.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("<svg") == 3 * 5
    assert "CVC-300: mine" in page


def test_benchmark_keeps_maps_while_the_model_is_the_same(benchmark, tmp_path):
    first, out = benchmark(tmp_path)
    before = rows_of(out)
    (folder,) = (out / "maps").glob("*/MSD-*")
    (folder / "2.png").unlink()
    times = {path: path.stat().st_mtime_ns for path in folder.parent.rglob("*.png")}
    again, _ = benchmark(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (folder / "2.png").is_file()
    assert [row["metrics"] for row in rows_of(out)] == [row["metrics"] for row in before]
    assert [row["images_per_second"] is None for row in rows_of(out)] == [True, True, False, True, True]
    assert first.code == again.code == 1


def test_benchmark_predicts_again_with_another_model(salient, network, model_file, root, tmp_path):
    salient(root, tmp_path / "out")
    sam2unet.save_model(network(seed=1), model_file)
    assert salient(root, tmp_path / "out")["images_per_second"]
    assert len(list((tmp_path / "out/maps").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "nothing to measure"), (["--maps", "nowhere"], "nowhere: no such folder"),
     (["--maps", "x={root}/MSD/test/mask"], "holds no folder named like a set"),
     (["{root}/none.pth"], "none.pth"), (["--maps", "x={maps}", "--task", "marine"], "holds none of MAS3K, RMAS"),
     (["--maps", "a={maps}", "--maps", "a={root}"], "--maps names a twice")],
)  # fmt: skip
def test_benchmark_refuses_what_cannot_be_measured(words, message, root, maps, tmp_path, run):
    words = [word.format(root=root, maps=maps) for word in words]
    result = run("benchmark", *words, "--data", root, "--out", tmp_path / "out")
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_benchmark_refuses_a_model_of_several_classes(root, network, tmp_path, run):
    sam2unet.save_model(network(classes=3), tmp_path / "three.safetensors")
    result = run("benchmark", tmp_path / "three.safetensors", "--data", root, "--out", tmp_path / "out")
    assert result.code == 2
    assert "three.safetensors: has 3 classes" in result.err


def test_benchmark_refuses_maps_named_like_the_model(root, maps, model_file, tmp_path, run):
    result = run("benchmark", model_file, "--data", root, "--maps", f"model={maps}", "--out", tmp_path / "out")
    assert result.code == 2
    assert "model is the name of the model and of maps" in result.err


def test_benchmark_refuses_maps_of_a_set_in_two_folders(root, maps, tmp_path, run):
    for name in ("x", "y"):
        shutil.copytree(maps / "MSD", tmp_path / f"both/{name}/MSD")
    result = run("benchmark", "--data", root, "--maps", tmp_path / "both", "--out", tmp_path / "out")
    assert result.code == 2
    assert "holds maps of MSD twice" in result.err


def test_benchmark_predicts_other_images_of_the_same_names(root, salient, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(root / "PASCAL-S", tmp_path / name / "PASCAL-S")
    for path in (tmp_path / "two/PASCAL-S/images").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    first = salient(tmp_path / "one", tmp_path / "out")["metrics"]
    second = salient(tmp_path / "two", tmp_path / "out")["metrics"]
    assert first != second == salient(tmp_path / "two", tmp_path / "fresh")["metrics"]


def test_benchmark_predicts_images_newer_than_their_maps(root, salient, tmp_path):
    shutil.copytree(root / "PASCAL-S", tmp_path / "data/PASCAL-S")
    salient(tmp_path / "data", tmp_path / "out")
    path = tmp_path / "data/PASCAL-S/images/0.jpg"
    Image.open(path).rotate(180).save(path)
    assert salient(tmp_path / "data", tmp_path / "out")["images_per_second"]


def test_benchmark_goes_on_after_a_set_that_cannot_be_measured(root, maps, tmp_path, run):
    shutil.copytree(root, tmp_path / "sets")
    (tmp_path / "sets/TestDataset/CVC-300/masks/1.png").write_bytes(b"")
    shutil.copytree(root / "PASCAL-S", tmp_path / "sets/DUTS-TR")
    shutil.copytree(maps, tmp_path / "a")
    (tmp_path / "a/CVC-300").symlink_to(maps / "MSD")
    result = run("benchmark", "--data", tmp_path / "sets", "--maps", f"a|b={tmp_path / 'a'}", "--out", tmp_path / "out")
    assert result.code == 1
    for words in ("DUTS-TE: no test pairs in", "a|b on CVC-300: ", "masks/1.png"):
        assert words in result.err
    assert [row["set"] for row in rows_of(tmp_path / "out")] == ["PASCAL-S", "MSD"]
    assert {"DUTS-TE", "CVC-300"} < set(json.loads((tmp_path / "out/benchmark.json").read_text())["missing"])
    assert r"| a\|b |" in (tmp_path / "out/benchmark.md").read_text()


def test_strict_benchmark_gives_no_score_where_maps_are_missing(root, maps, tmp_path, run):
    result = run("benchmark", "--data", root, "--maps", f"a={maps}", "--out", tmp_path / "out", "--strict")
    assert result.code == 1
    assert "a on PASCAL-S: 1 maps are missing" in result.err
    assert [row["set"] for row in rows_of(tmp_path / "out")] == ["MSD"]


def test_benchmark_measures_all_eighteen_sets_in_their_own_layouts(tmp_path, run):
    for dataset in SETS:
        write_pairs(tmp_path / "sets", dataset.layouts[-1], 2)
        masks = (tmp_path / "sets" / dataset.layouts[-1].split(" | ")[1]).parent
        shutil.copytree(masks, tmp_path / "maps" / dataset.name)
    result = run("benchmark", "--data", tmp_path / "sets", "--maps", tmp_path / "maps", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [row["set"] for row in found["rows"]] == [dataset.name for dataset in SETS]
    assert not found["missing"]
    assert all(row["metrics"]["Dice"] == 1 for row in found["rows"])
    tables = (tmp_path / "out/benchmark.md").read_text()
    for task in catalogue().values():
        names = " | ".join(f"{dataset.name} {metric}" for dataset in task.sets for metric in task.metrics)
        assert f"| method | {names} |" in tables

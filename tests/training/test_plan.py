"""Plans for data of known thickness; keys that are given; dry runs."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw
from rich.console import Console

import sam2unet
from sam2unet.data import check_pairs, find_pairs
from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet
from sam2unet.training import dry_run, load_recipe
from sam2unet.training.plan import Fingerprint, follow, make_plan, read_fingerprint
from sam2unet.training.recipe import PLANNED
from sam2unet.weights import save_model

from ..pico import SHORT


def draw(folder, draw_mask, side=200, count=5):
    """Images of noise whose masks are drawn by draw_mask(pen, index)."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{index}.png")
        mask = Image.new("L", (side, side))
        draw_mask(ImageDraw.Draw(mask), index)
        mask.save(folder / f"masks/{index}.png")
    return folder


def fingerprint(folder, **changes):
    recipe = load_recipe("auto", changes)
    listing = find_pairs(folder, recipe.data_options)
    return read_fingerprint(check_pairs(listing, recipe.data_options), listing.pairs[""], 2, recipe, False)


def thin(pen, index):
    pen.line([(0, 20 * index), (199, 150)], 255, 2)


def thick(pen, index):
    pen.ellipse([20, 20, 150 + index, 150], fill=255)


def test_the_fingerprint_measures_sizes_and_objects(tmp_path):
    found = fingerprint(draw(tmp_path / "thin", thin))
    assert (found.num_pairs, found.size) == (5, (200, 200))
    assert found.thickness == pytest.approx(2, abs=0.5)
    assert found.shown_thickness == pytest.approx(found.thickness * 352 / 200)
    assert fingerprint(draw(tmp_path / "thick", thick)).thickness == pytest.approx(130 * 2 / 3, rel=0.1)
    assert np.isnan(fingerprint(draw(tmp_path / "empty", lambda pen, index: None)).thickness)


def test_the_thinnest_of_several_classes_counts(tmp_path):
    def both(pen, index):
        pen.ellipse([20, 20, 150, 150], fill=1)
        pen.line([(0, 180), (199, 180)], 2, 2)

    assert fingerprint(draw(tmp_path / "data", both), classes=3).thickness == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("has_trunk_weights", [False, True])
@pytest.mark.parametrize("thickness", [1.0, 3.0, 12.0, 80.0, 150.0, float("nan")])
@pytest.mark.parametrize("size", [(100, 120), (584, 565), (3000, 4000)])
@pytest.mark.parametrize("num_pairs", [1, 40, 20_000])
def test_every_plan_is_a_recipe(num_pairs, size, thickness, has_trunk_weights):
    plan = make_plan(
        Fingerprint(num_pairs, 1 + num_pairs // 6, size, thickness, has_trunk_weights), load_recipe("auto")
    )
    assert plan.values.keys() <= set(PLANNED)
    recipe = follow(load_recipe("auto"), plan)
    assert recipe.plan == []
    assert plan.reasons
    assert bool(recipe.tile) == (thickness * 352 / max(size) < 16)
    assert (recipe.trunk == "nano") == (not has_trunk_weights)
    assert recipe.steps >= 20 * num_pairs // recipe.batch_size


def test_validation_takes_a_part_of_the_time_only():
    few, many = (
        make_plan(Fingerprint(6 * count, count, (1000, 1000), 4.0, False), load_recipe("auto")).values["epoch_steps"]
        for count in (1, 1000)
    )
    assert few == 100
    assert many == 1000 * 121 // 8


def test_what_is_given_is_not_planned():
    def planned(changes):
        recipe = load_recipe("auto", changes)
        return follow(recipe, make_plan(Fingerprint(20, 3, (584, 565), 4.4, False), recipe))

    assert (planned({}).tile, planned({}).loss, planned({}).lr) == (128, "dice", 3e-3)
    for changes, expected in (
        ({"trunk": "small", "lr": 5e-4}, {"trunk": "small", "lr": 5e-4}),
        ({"size": 512}, {"size": 512, "tile": None, "loss": "structure", "lr": 1e-3}),
        ({"tile": 64}, {"tile": 64, "tile_zoom": 1, "loss": "dice"}),
        ({"tile": 100}, {"tile": 100, "tile_zoom": 0.96}),
        ({"tile": 64, "tile_zoom": 3}, {"tile": 64, "tile_zoom": 3}),
        ({"epochs": 7}, {"epochs": 7, "steps": None}),
        ({"steps": 70}, {"epochs": None, "steps": 70}),
    ):
        assert {key: getattr(planned(changes), key) for key in expected} == expected


def test_lines_of_a_pixel_are_enlarged():
    values = make_plan(Fingerprint(20, 3, (500, 500), 1.2, False), load_recipe("auto")).values
    assert (values["tile"], values["tile_zoom"]) == (64, 2)


@pytest.mark.parametrize(("thickness", "tile", "zoom"), [(60, 480, 4 / 15), (300, 1280, 0.1)])
def test_small_objects_in_huge_images_are_shown_smaller(thickness, tile, zoom):
    values = make_plan(Fingerprint(20, 3, (8000, 8000), thickness, False), load_recipe("auto")).values
    assert (values["tile"], values["tile_zoom"], values["size"]) == (tile, pytest.approx(zoom), 128)


@pytest.mark.parametrize(
    ("changes", "size", "thickness", "sentence"),
    [({"tile": 512}, (256, 200), 3, "most images are smaller than a tile: use a tile of 256 or less"),
     ({"size": 352}, (3000, 2000), 4, "thinner than a pixel there: use tiles, or a larger size"),
     ({"tile": 128, "tile_zoom": 0.25}, (3000, 2000), 2, "use a tile_zoom of 0.5 or more")],
)  # fmt: skip
def test_a_plan_says_what_will_not_work(changes, size, thickness, sentence):
    reasons = make_plan(Fingerprint(20, 3, size, thickness, False), load_recipe("auto", changes)).reasons
    assert any(reason.startswith("warning: ") and sentence in reason for reason in reasons)
    assert not any(
        "warning" in reason
        for reason in make_plan(Fingerprint(20, 3, size, thickness, False), load_recipe("auto")).reasons
    )


def test_a_recipe_of_ones_own_may_leave_keys_to_the_plan(tmp_path):
    (tmp_path / "r.yaml").write_text("plan: [tile, steps]\nlr: 0.25\n")
    given = load_recipe(tmp_path / "r.yaml")
    recipe = follow(given, make_plan(Fingerprint(20, 3, (584, 565), 4.4, False), given))
    assert (recipe.tile, recipe.lr, recipe.trunk) == (128, 0.25, "tiny")
    with pytest.raises(InputError, match="a plan decides trunk, size"):
        load_recipe("general", {"plan": ["seed"]})


def test_a_planned_run_stores_a_recipe_that_repeats_it(tmp_path):
    data = draw(tmp_path / "data", thin, side=80)
    settings = {"trunk": "pico", "trunk_weights": "none", "steps": 3, "tile": 32, "batch_size": 2, "workers": 0}
    console = Console(file=(log := io.StringIO()), width=200)
    run = sam2unet.train(data, out=tmp_path / "a", device="cpu", console=console, **settings)
    assert "Plan:\n- objects are" in log.getvalue()
    again = sam2unet.train(data, tmp_path / "a/recipe.yaml", tmp_path / "b", device="cpu")
    assert run.metrics["val_dice"] == again.metrics["val_dice"]
    assert run.metrics["loss"] == again.metrics["loss"]
    assert load_recipe(run.best) == load_recipe(tmp_path / "b/recipe.yaml")
    assert load_recipe(run.best).loss == "dice"


def test_a_model_to_start_from_decides_what_must_be_as_in_it(tmp_path):
    model = SAM2UNet("pico", detail=4)
    save_model(model, tmp_path / "m.safetensors")
    data = draw(tmp_path / "data", thick, side=80)
    settings = {"start_from": tmp_path / "m.safetensors", "steps": 2, "workers": 0}
    recipe = load_recipe(sam2unet.train(data, out=tmp_path / "a", device="cpu", size=64, **settings).best)
    assert (recipe.trunk, recipe.detail, recipe.tile, recipe.lr) == ("pico", 4, None, 1e-3)
    model.card = replace(model.card, size=(64, 64), tile=32)
    save_model(model, tmp_path / "m.safetensors")
    recipe = load_recipe(sam2unet.train(data, out=tmp_path / "b", device="cpu", **settings).best)
    assert (recipe.trunk, recipe.detail, recipe.tile, recipe.tile_zoom, recipe.loss) == ("pico", 4, 32, 2, "dice")


def test_a_dry_run_writes_nothing_and_tells_time_and_memory(tmp_path, run, monkeypatch):
    data = draw(tmp_path / "data", thin, side=80)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    settings = [
        f"--set={key}={value}"
        for key, value in (SHORT | {"tile": 32, "epoch_steps": 2}).items()
        if key not in ("size", "plan")
    ]
    result = run("train", data, "--dry-run", "--device", "cpu", *settings)
    assert result.code == 0, result.err
    assert "Plan:\n- objects are" in result.err
    assert "epochs: 3, steps: 6" in result.err
    assert "Estimated from 3 steps on this machine: 0:0" in result.err
    assert "GiB of memory" in result.err
    assert sorted(tmp_path.rglob("*")) == before
    assert run("train", "--dry-run").code == 2


def test_a_dry_run_says_how_to_need_less_memory(tmp_path, monkeypatch):
    def exhausted(*arguments, **options):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(SAM2UNet, "forward", exhausted)
    with pytest.raises(InputError, match="out of memory with batch_size 2 at 64x64: use a smaller batch_size"):
        dry_run(draw(tmp_path / "data", thick, side=80), device="cpu", **SHORT)

"""The options that decide how data is read reach the run, its recipe, its model's card, and a resumed run."""

import numpy as np
import pytest
import torch
from PIL import Image

from sam2unet import load_model
from sam2unet.training import load_recipe, train
from sam2unet.training.loading import PairDataModule
from sam2unet.training.samples import SampleKey

from ..pico import SHORT

H, W = 48, 64
VESSELS = np.zeros((H, W), bool)
VESSELS[::8] = True
VIEW = np.zeros((H, W), bool)
VIEW[:, 8:56] = True


@pytest.fixture
def retinas(tmp_path, rng):
    """Images with two kinds of masks; those in manual/ are of 0, 128 (vessels) and 255 (no truth)."""
    root = tmp_path / "retinas"
    for i in range(4):
        photo = rng.integers(0, 60, (H, W, 3)).astype(np.uint8)
        photo[VESSELS] += 150
        values = np.where(VESSELS, np.uint8(128), np.uint8(0))
        values[:, 60:] = 255
        for kind, pixels in (("images", photo), ("manual", values), ("mask", VIEW * np.uint8(255))):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / f"{kind}/{i}.png")
    return root


def test_train_asks_which_masks_and_what_their_values_mean(retinas, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"epochs": 1}).items()]
    start = ("train", retinas, "--out", tmp_path / "run", "--device", "cpu", *settings)
    asked = run(*start)
    assert asked.code == 2
    assert "manual" in asked.err
    assert "mask" in asked.err
    assert "(--masks" in asked.err
    asked = run(*start, "--masks", "manual/*")
    assert asked.code == 2
    assert "128" in asked.err
    assert asked.err.rstrip().endswith("(--mask-values)")
    answered = run(*start, "--masks", "manual/*", "--mask-values", "128:1,255:ignore")
    assert answered.code == 0, answered.err
    recipe = load_recipe(tmp_path / "run/recipe.yaml")
    assert (recipe.masks, recipe.mask_values) == ("manual/*", "128:1,255:ignore")
    card = load_model(tmp_path / "run/best.safetensors").card
    assert (card.mask_values, card.recipe["masks"]) == ("128:1,255:ignore", "manual/*")
    assert (tmp_path / "run/data.html").read_text().count("<img") >= 4
    assert '"reading": "128:1,255:ignore"' in (tmp_path / "run/data.json").read_text()


def test_train_reads_the_masks_as_told(retinas, tmp_path, monkeypatch):
    targets = []
    original = PairDataModule.__init__

    def spy(self, *arguments, **keywords):
        original(self, *arguments, **keywords)
        targets.append(self.validation[SampleKey(0, 0, (H, W))][1])

    monkeypatch.setattr(PairDataModule, "__init__", spy)
    changes = SHORT | {"epochs": 1, "masks": "manual/*", "mask_values": "128:1,255:ignore", "mask_resize": "nearest"}
    train(retinas, out=tmp_path / "run", device="cpu", **changes)
    expected = torch.from_numpy(VESSELS.astype(np.float32))[None]
    expected[..., 60:] = 255
    assert torch.equal(targets[0], expected)


def test_a_resumed_run_reads_the_masks_as_before(retinas, tmp_path):
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nvessel:128,128,128::\nunknown:255,255,255::\n")
    changes = SHORT | {"epochs": 1, "masks": "manual/*", "classes": 3, "mask_values": str(tmp_path / "labelmap.txt")}
    first = train(retinas, out=tmp_path / "run", device="cpu", **changes)
    assert load_model(first.best).card.mask_values == "#000000:0,#808080:1,#ffffff:2"
    assert train(resume=tmp_path / "run", device="cpu").metrics == first.metrics


def test_a_list_of_pairs_says_what_to_train_on(retinas, tmp_path, run, monkeypatch):
    rows = [f"images/{i}.png,mask/{i}.png,{'test' if i == 3 else 'train'}" for i in range(4)]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"epochs": 1}).items()]
    result = run("train", retinas, "--pairs", "pairs.csv", "--out", "run", "--device", "cpu", *settings)
    assert result.code == 0, result.err
    assert "Training on 2 pairs at 64x64, validating on 1" in result.err
    monkeypatch.chdir(retinas)  # the recipe names the list absolutely
    assert run("train", "--resume", tmp_path / "run").code == 0
    assert load_recipe(tmp_path / "run/recipe.yaml").pairs == str(tmp_path / "pairs.csv")

"""The Python in the docs runs as it stands there, on sample scenes and a small network."""

import re
from pathlib import Path

import pytest

import sam2unet
from sam2unet.training import load_recipe

DOCS = Path(__file__).parents[1] / "docs"
SMALL = {"trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 1, "workers": 0, "device": "cpu"}
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{i}")
    for page in sorted(DOCS.glob("*.md"))
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(block, scenes, tmp_path, monkeypatch):
    real = sam2unet.train
    monkeypatch.chdir(tmp_path)
    for name, target in (("my_pictures", scenes), ("masks", scenes / "test/masks"), ("maps", scenes / "test/masks")):
        (tmp_path / name).symlink_to(target)
    monkeypatch.setattr(sam2unet, "train", lambda *a, **k: real(*a, **(k | SMALL)), raising=False)
    names = {}
    exec(compile(block, "block", "exec"), names)
    assert list(tmp_path.glob("runs/*/best.safetensors")) or names["scores"]["Dice"] == 1
    calls = [line for line in block.splitlines() if line.strip()]
    assert len(calls) < 10


def test_the_recipe_in_the_docs_is_one(tmp_path):
    (recipe,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "training.md").read_text(), flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(recipe)
    assert load_recipe(tmp_path / "mine.yaml").multi_scale == [0.75, 1.0, 1.25]

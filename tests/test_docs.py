"""README and docs: their Python runs, their commands parse, their options, keys and files exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from PIL import Image

import sam2unet
from sam2unet.commands import app
from sam2unet.training import current_key, load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TINY = {"trunk": "pico", "trunk_weights": "none", "size": 64, "epochs": 1, "workers": 0, "device": "cpu"}
PYTHON_BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{i}")
    for page in PAGES
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))
]


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of each command in a page's code blocks, without its comment, pipes and redirections."""
    text, fence = page.read_text(), re.compile(r"^```(\w*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
    fenced = "".join(block for language, block in fence.findall(text) if language in ("bash", "sh"))
    indented = "".join(re.findall(r"^ {4}(.*\n)", fence.sub("", text), flags=re.MULTILINE))
    for line in re.sub(r"\\\n\s*", "", fenced + indented).splitlines():
        if re.search(r"^(sam2unet|make|python speed/)|-m sam2unet ", line):
            words = shlex.split(line.partition(" -m ")[2] or line, comments=True)
            end = next((i for i, word in enumerate(words) if word in ("<", ">", "|")), len(words))
            yield words[:end]


COMMANDS = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)}") for page in PAGES for words in command_lines(page)
]


def starting_with(*first: str) -> list[Any]:
    return [command for command in COMMANDS if command.values[0][0] in first]


def all_options(command: Any) -> set[str]:
    """The options of a command and of those below it."""
    below = (all_options(child) for child in getattr(command, "commands", {}).values())
    return {name for parameter in command.params for name in parameter.opts}.union(*below)


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_block_runs_on_sample_scenes(block, scenes, tmp_path, monkeypatch):
    real = sam2unet.train
    monkeypatch.chdir(tmp_path)
    masks = scenes / "test/masks"
    for name, target in (("my_images", scenes), ("my_data", scenes), ("masks", masks), ("maps", masks)):
        (tmp_path / name).symlink_to(target)
    with Image.open(next((scenes / "test/images").iterdir())) as image:
        image.save(tmp_path / "photo.jpg")
    monkeypatch.setattr(sam2unet, "train", lambda *a, **k: real(*a, **(k | TINY)), raising=False)
    names: dict[str, Any] = {}
    exec(compile(block, "block", "exec"), names)
    assert list(tmp_path.glob("runs/*/best.safetensors")) or names["scores"]["Dice"] == 1


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_block_is_short(block):
    assert len([line for line in block.splitlines() if line.strip()]) < 10


@pytest.mark.parametrize("words", starting_with("sam2unet"))
def test_command_parses(words):
    command: Any = typer.main.get_command(app)
    words = words[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    parsed = command.make_context(command.name, words).params  # raises on unknown options and missing arguments
    for change in parsed.get("changes") or ():
        assert current_key(change.partition("=")[0]), change


@pytest.mark.parametrize("words", starting_with("make"))
def test_make_target_exists(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert words[1] in targets


@pytest.mark.parametrize("words", starting_with("python"))
def test_script_exists(words):
    assert (ROOT / words[1]).is_file()


def test_readme_names_the_two_commands():
    assert {"make demo", "make test"} <= {" ".join(command.values[0]) for command in starting_with("make")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_in_sentences_exist(page):
    """Those of other programs stand in code that begins with the program's name."""
    known = all_options(typer.main.get_command(app)) | {"--help"}
    if page.stem == "speed":
        known |= {
            name for script in ROOT.glob("speed/*.py") for name in re.findall(r'"(--[a-z-]+)"', script.read_text())
        }
    named = re.findall(r"`(?:sam2unet [^`]*?)?(--[a-z][a-z0-9-]*)", page.read_text())
    assert set(named) <= known


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_linked_files_exist(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_recipe_in_training_md_is_valid(tmp_path):
    (recipe,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/training.md").read_text(), flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(recipe)
    assert load_recipe(tmp_path / "mine.yaml").multi_scale == [0.75, 1.0, 1.25]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return found


def test_citation_has_the_keys_that_cff_1_2_0_requires(citation):
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["title"] == "sam2unet"
    assert citation["type"] in ("software", "dataset")
    assert all(author.get("name") for author in citation["authors"])  # entities; persons have other keys
    for reference in citation["references"]:
        assert reference.keys() >= {"type", "title", "authors"}
        assert all(author.keys() == {"given-names", "family-names"} for author in reference["authors"])
        assert all(entry.keys() >= {"type", "value"} for entry in reference["identifiers"])


def test_citation_has_the_version_and_licence_of_the_package(citation):
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project


def test_citation_and_readme_name_the_same_paper(citation):
    (paper,) = citation["references"]
    assert paper["url"] in (ROOT / "README.md").read_text()

"""What the tests of the scripts in speed/ share: their imports, a run of one, and another checkout."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SPEED = Path(__file__).parents[2] / "speed"


@pytest.fixture(autouse=True)
def speed_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests import the scripts by name, as these import each other."""
    monkeypatch.syspath_prepend(SPEED)


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable:
    """Run a script in this process and return the result that it writes, which is also what it prints."""

    def run(name: str, *arguments: object) -> dict[str, Any]:
        file = tmp_path / "result.json"
        argv = [str(SPEED / f"{name}.py"), *map(str, arguments), "--json", str(file)]
        monkeypatch.setattr(sys, "argv", argv)
        import_module(name).main()
        result = json.loads(file.read_text())
        lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
        assert lines == [result["table"]["head"], ["---"] * len(lines[0]), *result["table"]["rows"]]
        return result

    return run


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Write a checkout of the package with one script in speed/; its package has only the constant CHECKOUT."""

    def write(name: str, script: str, code: str) -> Path:
        root = tmp_path / name
        for folder in ("src/sam2unet", "speed"):
            (root / folder).mkdir(parents=True)
        (root / "src/sam2unet/__init__.py").write_text(f"CHECKOUT = {name!r}\n")
        (root / "speed" / script).write_text(code)
        return root

    return write

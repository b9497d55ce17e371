"""The house: who imports whom, what is public, how fast it opens, what the command answers."""

import ast
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import sam2unet

SOURCE = Path(sam2unet.__file__).parent
ROOMS = sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())
MODULES = {"errors", "files", "card", "progress"}
"""Top-level modules that import no room; each room may import them."""
MAY_IMPORT = {
    "system": set(),
    "network": set(),
    "data": {"system"},
    "pages": {"data"},
    "weights": {"network"},
    "graph": {"network", "system"},
    "runtime": {"graph", "network", "system", "weights"},
    "evaluation": {"data", "pages", "system"},
    "prediction": {"data", "network", "runtime", "system"},
    "benchmark": {"data", "evaluation", "pages", "prediction", "runtime", "system"},
    "training": {"data", "evaluation", "network", "pages", "prediction", "system", "weights"},
    "commands": {"benchmark", "data", "evaluation", "export", "pages", "prediction", "system", "training", "weights"},
}


def imported_modules(file: Path) -> set[str]:
    """What a file of a room imports from the rest of the package, such as "data" or "data.pairs"."""
    outside = len(file.relative_to(SOURCE).parts)
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level == outside and node.module:
                modules.add(node.module)
            elif node.level == outside:
                modules |= {alias.name for alias in node.names}
            elif (node.module or "").startswith("sam2unet"):
                modules.add((node.module or "").removeprefix("sam2unet."))
        elif isinstance(node, ast.Import):
            modules |= {a.name.removeprefix("sam2unet.") for a in node.names if a.name.startswith("sam2unet.")}
    return modules


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_the_rooms_below_them(room):
    for file in (SOURCE / room).rglob("*.py"):
        rooms = {module.partition(".")[0] for module in imported_modules(file)}
        assert rooms - {room, "__version__"} - MODULES <= MAY_IMPORT[room], file


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_entered_through_their_face(room):
    for file in (SOURCE / room).rglob("*.py"):
        assert not {module for module in imported_modules(file) if "." in module}, file


def strings(file: Path) -> list[str]:
    return [
        n.value
        for n in ast.walk(ast.parse(file.read_text()))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]


LIBRARY = sorted(
    path for path in SOURCE.rglob("*.py") if path.parent.name not in ("commands", "pages")
)  # CSS has --names


@pytest.mark.parametrize("file", LIBRARY, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_library_names_no_option_of_the_commands(file):
    if file == SOURCE / "training/report.py":
        pytest.skip("its page shows whole commands, to people who use them")
    assert not [text for text in strings(file) if re.search(r"(^|[\s`(])--[a-z]", text)]


def test_torchruns_variables_are_read_in_one_place():
    readers = {
        path
        for path in SOURCE.rglob("*.py")
        if any(re.fullmatch(r"(LOCAL_)?(RANK|WORLD_SIZE)", s) for s in strings(path))
    }
    assert readers == {SOURCE / "system/processes.py"}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import sam2unet", "import sam2unet.commands"])
def test_opening_the_package_imports_nothing_heavy(statement):
    assert not {"torch", "numpy", "PIL", "lightning", "pydantic"} & modules_after(statement)


def test_evaluation_needs_no_torch():
    """Its processes would each take seconds and 200 MB for it."""
    assert "torch" not in modules_after("import sam2unet; sam2unet.evaluate")


def test_public_names_are_there():
    for name in sam2unet.__all__:
        assert getattr(sam2unet, name) is not None
    assert dir(sam2unet) == sorted(sam2unet.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = sam2unet.nothing


def test_the_wheel_holds_the_type_marker_and_all_data_files(tmp_path):
    project = SOURCE.parents[1]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=project, check=True,
        capture_output=True,
    )  # fmt: skip
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("sam2unet/")}
    data = {f"sam2unet/{path.relative_to(SOURCE)}" for path in SOURCE.rglob("*.yaml")}
    assert data | {"sam2unet/py.typed"} <= packed


def test_version_and_help(run):
    assert run("--version").out.strip() == version("sam2unet") == sam2unet.__version__
    shown = run("--help")
    assert shown.code == 0
    assert all(command in shown.out for command in ("train", "predict", "evaluate", "data", "weights"))


def test_usage_errors_end_with_2_and_debug_shows_a_traceback(run, tmp_path):
    assert run("predict").code == 2
    assert run("data", "check", tmp_path).code == 2
    with pytest.raises(sam2unet.errors.InputError):
        run("--debug", "data", "check", tmp_path)


def test_names_are_printed_whole_whatever_is_in_them(run, tmp_path):
    folder = tmp_path / "run [bold]x[y] of a rather long name that a terminal of eighty columns would have to wrap"
    folder.mkdir()
    result = run("data", "check", folder)
    assert str(folder) in result.err
    run("data", "scenes", folder, "--train", 2, "--test", 1, "--side", 32)
    assert str(folder) in run("data", "check", folder).out


def test_a_folder_that_cannot_be_written_is_one_sentence(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("data", "scenes", tmp_path / "file" / "scenes")
    assert result.code == 2
    assert str(tmp_path / "file") in result.err
    assert result.err.count("\n") == 1

import argparse
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "speed/results").mkdir(parents=True)
    (tmp_path / "speed/results/a.json").write_text("1")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


@needs_git
def test_git_state_names_the_commit(repository):
    from results import git_state

    assert git_state(repository) == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False}


@needs_git
@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_git_state_sees_changed_and_new_files(repository, name):
    from results import git_state

    (repository / name).write_text("2")
    assert git_state(repository)["dirty"] is True


@needs_git
def test_git_state_ignores_results(repository):
    from results import git_state

    (repository / "speed/results/a.json").write_text("2")
    assert git_state(repository)["dirty"] is False


@needs_git
def test_committed_changes_with_the_named_files_alone(repository, tmp_path_factory):
    from results import committed

    def commit(file):
        (repository / file).parent.mkdir(exist_ok=True)
        (repository / file).write_text(file)
        assert (committed(repository, "src", "code.py") is None) == (file != "b.py")
        git(repository, "add", ".")
        git(repository, "commit", "-qm", file)
        return committed(repository, "src", "code.py")

    states = [commit(file) for file in ("src/a.py", "b.py", "src/c.py", "code.py")]
    assert states[0] == states[1]
    assert None not in states
    assert len({*states}) == 3
    assert committed(tmp_path_factory.mktemp("elsewhere"), "src") is None


@needs_git
def test_git_state_outside_of_a_repository(tmp_path):
    from results import git_state

    assert git_state(tmp_path) == {"commit": None, "dirty": None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--upstream", "/home/me/SAM2-UNet/", "large:2"], "--upstream SAM2-UNet large:2"),
        (["--set", "trunk_weights=/data/t.pt", "size=64"], "--set trunk_weights=t.pt size=64"),
        (["--image=a/b c.png"], "'--image=b c.png'"),
        (["general:start_from=/m/x.pt;lr=1"], "'general:start_from=x.pt;lr=1'"),
        (["../data", "--minutes", "0.5"], "data --minutes 0.5"),
    ],
)
def test_typed_command_shows_of_paths_the_last_component(arguments, expected):
    from results import typed_command

    assert typed_command(["/private/place/speed/train.py", *arguments]) == f"python speed/train.py {expected}"


def test_write_result_holds_all_that_a_page_needs(tmp_path, monkeypatch):
    from results import write_result

    monkeypatch.setattr(sys, "argv", ["/private/train.py", "--size", "64"])
    file = tmp_path / "new" / "train.json"
    write_result(file, ["a", "b"], [["1", "2"]], {"seconds": [0.1, 0.25]})
    result = json.loads(file.read_text())
    assert result["table"] == {"head": ["a", "b"], "rows": [["1", "2"]]}
    assert result["figures"] == {"seconds": [0.1, 0.25]}
    assert result["command"] == "python speed/train.py --size 64"
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(result["date"]) < timedelta(minutes=5)
    assert result["versions"]["python"] == platform.python_version()
    assert result["versions"]["torch"] == importlib.metadata.version("torch")
    assert {"onnxruntime", "openvino", "sam2unet"} <= set(result["versions"])
    assert {"machine", "commit", "dirty"} <= set(result)


def test_version_of_a_missing_package_is_none():
    from results import _version

    assert _version("no-such-package") is None


@pytest.mark.skipif(sys.platform != "linux", reason="compares with Linux' own files")
def test_describe_machine_agrees_with_linux():
    from results import describe_machine

    machine = describe_machine()
    facts = Path("/proc/cpuinfo").read_text()
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert machine["cpu"] in facts
    assert machine["amx"] == (" amx_bf16" in facts)
    assert machine["bf16"] == (" amx_bf16" in facts or " avx512_bf16" in facts)
    assert machine["memory_gib"] == pytest.approx(int(memory.split()[1]) / 2**20, abs=0.06)
    assert 1 <= machine["cores"] <= facts.count("processor\t")
    assert machine["os"].startswith("Linux")


@pytest.fixture
def parser():
    from results import add_json_option

    parser = argparse.ArgumentParser(prog="train.py")
    add_json_option(parser)
    return parser


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], None), (["--json", "a/b.json"], Path("a/b.json"))],
)
def test_json_option_names_a_file(parser, arguments, expected):
    assert parser.parse_args(arguments).json == expected


def test_json_option_without_a_file_is_the_place_of_the_script(parser):
    assert parser.parse_args(["--json"]).json == Path(__file__).parents[2] / "speed/results/train.json"


def test_json_option_refuses_other_files(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--json", "model.safetensors"])
    assert "model.safetensors: name a .json file" in capsys.readouterr().err


def test_report_prints_and_writes_the_same_table(tmp_path, capsys):
    from results import report

    report(["a", "b"], [["1", "2"], ["3", "4"]], {}, tmp_path / "r.json")
    assert capsys.readouterr().out == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n"
    assert json.loads((tmp_path / "r.json").read_text())["table"]["rows"] == [["1", "2"], ["3", "4"]]


def test_report_without_a_file_prints_only(capsys):
    from results import report

    report(["a"], [["1"]], {}, None)
    assert capsys.readouterr().out == "| a |\n| --- |\n| 1 |\n"

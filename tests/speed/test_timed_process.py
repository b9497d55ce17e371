import sys

import pytest


def echo(name, log, seconds):
    """A worker that logs its steps and replies with given durations."""
    code = (
        "import json, sys\nname, log, *seconds = sys.argv[1:]\nprint('a library says hello')\n"
        "print(json.dumps({'ready': True}), flush=True)\n"
        "for _, s in zip(sys.stdin, seconds):\n"
        "    open(log, 'a').write(name)\n    print(json.dumps({'seconds': float(s)}), flush=True)\n"
    )
    return [sys.executable, "-c", code, name, str(log), *map(str, seconds)]


def test_run_in_turn_alternates_and_leaves_out_the_warm_up(tmp_path):
    from timed_process import TimedProcess, run_in_turn

    log = tmp_path / "log"
    a = TimedProcess("a", echo("a", log, [100, 1, 2, 9]))
    b = TimedProcess("b", echo("b", log, [100, 4, 3, 5]))
    run_in_turn([a, b], warm_up=1, steps=3)
    assert log.read_text() == "abababab"
    assert (a.seconds, b.seconds) == ([1, 2, 9], [4, 3, 5])
    assert (a.median, b.median) == (2, 4)
    assert [reply["seconds"] for reply in a.replies] == [100, 1, 2, 9]


def test_timed_process_that_fails_is_named():
    from timed_process import TimedProcess

    with pytest.raises(SystemExit, match="odd: ended with exit code 3"), TimedProcess("odd", ["bash", "-c", "exit 3"]):
        pass


def test_package_process_imports_the_package_of_its_checkout(checkout):
    from timed_process import package_process

    code = "import sys, json, sam2unet\nprint(json.dumps({'ready': True}), flush=True)\nfor _ in sys.stdin: print(json"
    root = checkout(
        "other", "w.py", code + ".dumps({'checkout': sam2unet.CHECKOUT, 'argv': sys.argv[1:]}), flush=True)"
    )
    with package_process("before", "w.py", "x", "y", checkout=root) as process:
        assert process.step() == {"checkout": "other", "argv": ["x", "y"]}


def test_package_process_defaults_to_this_checkout(tmp_path):
    from timed_process import ROOT, package_process

    process = package_process("ours", "our_train.py")
    assert process.command[1] == str(ROOT / "speed" / "our_train.py")
    assert process.environment["PYTHONPATH"].startswith(str(ROOT / "src"))


def test_upstream_process_names_a_missing_python(tmp_path):
    from timed_process import upstream_process

    with pytest.raises(SystemExit, match=r"no-such-python: no such Python.*--upstream-python"):
        upstream_process("no-such-python", tmp_path, "upstream_train.py")


def test_upstream_process_runs_our_script_in_their_checkout(tmp_path):
    from timed_process import ROOT, upstream_process

    process = upstream_process(sys.executable, tmp_path, "upstream_train.py", "tiny")
    assert process.command == [sys.executable, str(ROOT / "speed/upstream_train.py"), "tiny"]
    assert process.folder == tmp_path

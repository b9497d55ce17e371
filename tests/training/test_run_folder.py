"""The lock of a run's folder, and what killed processes leave in it."""

import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
import torch

import sam2unet
from sam2unet.errors import InputError
from sam2unet.training.run_folder import lock_run_folder

from ..pico import EVERY_STEP
from .interruptions import assert_same_run, interrupt_after

FORK = multiprocessing.get_context("fork")


def hidden(run: Path) -> list[str]:
    return sorted(path.relative_to(run).as_posix() for folder in (run, run / "resume") for path in folder.glob(".*"))


def test_the_lock_keeps_other_processes_out_and_ends_with_its_process(tmp_path):
    ready = FORK.Event()

    def hold() -> None:
        with lock_run_folder(tmp_path / "run"):
            ready.set()
            time.sleep(60)

    holder = FORK.Process(target=hold)
    holder.start()
    assert ready.wait(20)
    lock = lock_run_folder(tmp_path / "run")
    with pytest.raises(InputError, match=rf"{tmp_path / 'run'}: in use by another process \({holder.pid} on "):
        lock.__enter__()
    holder.kill()
    holder.join()
    with lock_run_folder(tmp_path / "run"):
        pass


def test_train_writes_nothing_into_a_locked_folder(scenes, tmp_path):
    with lock_run_folder(tmp_path / "run"), pytest.raises(InputError, match="another run of this process"):
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **EVERY_STEP)
    assert hidden(tmp_path / "run") == [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("writer", "leftover"),
    [((torch, "save"), "resume/.step-000000002.*.ckpt"), ((shutil, "copyfile"), ".best.*.safetensors")],
)
def test_a_run_killed_while_it_writes_leaves_no_partial_file_once_resumed(
    writer, leftover, scenes, uninterrupted, tmp_path, monkeypatch
):
    """The process is really killed, in the middle of a file."""
    interrupt_after(monkeypatch, 1, scenes, tmp_path / "run")
    writing = FORK.Event()

    def write_half(first, second) -> None:
        file = second.open("wb") if isinstance(second, Path) else second
        file.write(b"half")
        file.flush()
        writing.set()
        time.sleep(60)

    def resume() -> None:
        setattr(*writer, write_half)
        sam2unet.train(resume=tmp_path / "run", device="cpu")

    process = FORK.Process(target=resume)
    process.start()
    assert writing.wait(60)
    process.kill()
    process.join()
    assert list((tmp_path / "run").glob(leftover))
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert hidden(tmp_path / "run") == [".lock"]
    assert_same_run(uninterrupted, tmp_path / "run")


def test_locking_removes_only_partial_files_of_a_runs_own_outputs(tmp_path):
    (tmp_path / "resume").mkdir()
    own = [
        ".best.0123abcd.safetensors",
        ".metrics.0123abcd.csv",
        "resume/.SHA256SUMS.0123abcd",
        "resume/.run.0123abcd.json",
    ]
    others = [".notes.0123abcd.csv", ".best.backup.safetensors", ".metrics.0123abcd.txt", ".run.0123abcd.json",
              "resume/.best.0123abcd.safetensors", ".gitignore", "metrics.0123abcd.csv"]  # fmt: skip
    for name in (*own, *others):
        (tmp_path / name).write_text("")
    with lock_run_folder(tmp_path):
        pass
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".lock", *others}

"""Checkpoint files: their content, damaged ones, a full disk."""

import multiprocessing
import os
import resource
import signal

import pytest
import torch

import sam2unet
from sam2unet.errors import InputError
from sam2unet.training.checkpoints import CheckpointFiles

from ..pico import EVERY_STEP
from .interruptions import Killed, assert_same_run, interrupt_after


def test_a_finished_run_keeps_one_checkpoint(uninterrupted):
    (checkpoint,) = (uninterrupted / "resume").glob("*.ckpt")
    assert list(CheckpointFiles(uninterrupted).digests()) == [checkpoint.name]


def test_a_checkpoint_holds_only_what_is_trained(scenes, tmp_path):
    settings = EVERY_STEP | {"epochs": 1, "train_trunk": "none"}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **settings)
    file = next((run.folder / "resume").glob("*.ckpt"))
    content = torch.load(file, weights_only=True)
    assert not any(".trunk." in name for name in content["state_dict"])
    model = sam2unet.load_model(run.best)
    trained = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in model.trunk.parameters())
    assert file.stat().st_size < 1.02 * 12 * trained + 2e5  # weights and AdamW's two moments, in float32


@pytest.mark.parametrize("fault", ["torn", "changed", "missing", "empty"])
def test_a_damaged_newest_checkpoint_is_replaced_by_the_previous_one(
    fault, scenes, uninterrupted, tmp_path, monkeypatch, run
):
    interrupt_after(monkeypatch, 6, scenes, tmp_path / "run")
    previous, newest = sorted((tmp_path / "run/resume").glob("*.ckpt"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    if fault == "missing":
        newest.unlink()
    else:
        newest.write_bytes({"torn": content[: len(content) // 2], "changed": content, "empty": b""}[fault])
    result = run("train", "--resume", tmp_path / "run", "--device", "cpu")
    assert result.code == 0
    word = "missing" if fault == "missing" else "damaged"
    assert f"warning: {newest}: {word}; resuming from the previous one" in result.err
    assert f"Resuming after step {int(previous.stem.split('-')[1])} of 12" in result.err
    assert_same_run(uninterrupted, tmp_path / "run")


def test_a_run_without_a_model_starts_again_if_all_checkpoints_are_damaged(
    scenes, uninterrupted, tmp_path, monkeypatch
):
    interrupt_after(monkeypatch, 1, scenes, tmp_path / "run")
    for file in (tmp_path / "run/resume").glob("*.ckpt"):
        file.write_bytes(b"PK")
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")


def test_a_run_with_a_model_is_not_started_again_if_all_checkpoints_are_damaged(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 6, scenes, tmp_path / "run")
    for file in (tmp_path / "run/resume").glob("*.ckpt"):
        file.write_bytes(b"PK")
    model = (tmp_path / "run/last.safetensors").read_bytes()
    with pytest.raises(InputError, match=f"{tmp_path / 'run/resume'}: contains no intact checkpoint"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert (tmp_path / "run/last.safetensors").read_bytes() == model


def test_checkpoints_written_after_a_damaged_one_are_kept(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 7, scenes, tmp_path / "run")
    newest = max((tmp_path / "run/resume").glob("*.ckpt"))
    newest.write_bytes(b"torn")
    save_checkpoint, states = CheckpointFiles.save_checkpoint, []

    def save(self, checkpoint, path, storage_options=None):
        save_checkpoint(self, checkpoint, path, storage_options)
        states.append((path.name, sorted(p.name for p in self.folder.glob("step-*.ckpt")), sorted(self.digests())))
        raise Killed

    monkeypatch.setattr(CheckpointFiles, "save_checkpoint", save)
    with pytest.raises(Killed):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    written, files, listed = states[0]
    assert files == listed == sorted(["step-000000006.ckpt", written])


def test_on_a_full_disk_the_previous_checkpoint_is_kept(scenes, uninterrupted, tmp_path):
    """No file may grow beyond a limit: writing then fails as on a full disk."""
    sam2unet.train(scenes, out=tmp_path / "once", device="cpu", **EVERY_STEP | {"epochs": 1})
    size = next((tmp_path / "once/resume").glob("*.ckpt")).stat().st_size

    def train_until_the_disk_is_full() -> None:
        save_checkpoint, written = CheckpointFiles.save_checkpoint, []

        def save(self, checkpoint, path, storage_options=None):
            written.append(path)
            if len(written) == 3:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
            save_checkpoint(self, checkpoint, path, storage_options)

        CheckpointFiles.save_checkpoint = save
        code = 0
        try:
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **EVERY_STEP)
        except InputError as error:
            code = 2 if "cannot be written" in str(error) and "step-000000002.ckpt is kept" in str(error) else 3
        os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=train_until_the_disk_is_full)
    process.start()
    process.join(120)
    assert process.exitcode == 2
    names = sorted(path.name for path in (tmp_path / "run/resume").iterdir())
    assert names == ["SHA256SUMS", "run.json", "step-000000001.ckpt", "step-000000002.ckpt"]
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")

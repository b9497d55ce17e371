"""Runs that end early and go on: killed, asked to stop, on a full disk, beside another process."""

import csv
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sam2unet
from sam2unet.data import write_scenes
from sam2unet.errors import InputError
from sam2unet.training.checkpoints import ResumeFiles, locked

KILLS = Path(__file__).with_name("kills.py")
SHORT = {
    "trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 3, "batch_size": 2, "workers": 0,
    "precision": "32-true", "save_minutes": 0,
}  # fmt: skip
RICH = SHORT | {
    "workers": 2, "ema": 0.9, "accumulate": 2, "multi_scale": [1.0, 1.5], "rotation": 10, "zoom": [0.8, 1.2],
    "crop": 0.7, "colour": 0.2, "blur": 1.0, "noise": 0.02,
}  # fmt: skip
SAME = "epoch", "step", "loss", "val_loss", "val_dice", "val_iou", "threshold", "lr"


def run_with_kills(data: Path, out: Path, settings: dict, seed: int, most: int) -> int:
    command = [sys.executable, KILLS, data, out, json.dumps(settings), seed, most]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=1800)
    assert result.returncode == 0, result.stderr
    print(f"{out.name}: {result.stdout.splitlines()[-1]}")
    return json.loads(result.stdout.splitlines()[-1])["kills"]


def rows(run: Path) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        return [[row[name] for name in SAME] for row in csv.DictReader(file)]


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("last.safetensors", "best.safetensors"):
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
    assert rows(one) == rows(other)


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    sam2unet.train(scenes, out=folder, device="cpu", **SHORT)
    return folder


class Killed(BaseException):
    """As good as SIGKILL for what is on the disk: nothing after it is carried out."""


def cut_short(monkeypatch: pytest.MonkeyPatch, after: int, data: Path, out: Path, settings: dict = SHORT) -> None:
    """A run that ends right after writing its `after`-th file to resume from."""
    real, written = ResumeFiles.save_checkpoint, []

    def save(self, checkpoint, path, storage_options=None):
        real(self, checkpoint, path, storage_options)
        written.append(path)
        if len(written) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ResumeFiles, "save_checkpoint", save)
        with pytest.raises(Killed):
            sam2unet.train(data, out=out, device="cpu", **settings)


def test_killed_at_any_time_it_ends_with_the_same_weights(scenes, tmp_path):
    most = int(os.environ.get("SAM2UNET_KILLS", "5"))  # more of them: make kills
    settings = RICH | {"epochs": 3 + most // 2}
    assert run_with_kills(scenes, tmp_path / "whole", settings, 0, 0) == 0
    assert run_with_kills(scenes, tmp_path / "killed", settings, 1, most) >= most // 2
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("after", [1, 3, 4, 5, 11])
def test_it_goes_on_after_every_kind_of_step(after, scenes, whole, tmp_path, monkeypatch):
    cut_short(monkeypatch, after, scenes, tmp_path / "run")
    run = sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(whole, tmp_path / "run")
    assert [row["epoch"] for row in run.history] == [1, 2, 3]


def test_one_killed_before_its_first_file_starts_anew(scenes, whole, tmp_path, monkeypatch, run):
    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("sam2unet.training.run.build_model", kill)
        with pytest.raises(Killed):
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT)
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(whole, tmp_path / "run")
    settings = [f"--set={key}={value}" for key, value in SHORT.items()]
    assert run("train", scenes, "--out", tmp_path / "other", "--device", "cpu", *settings).code == 0


def test_killed_between_its_first_model_and_its_first_file_it_starts_anew(scenes, whole, tmp_path, monkeypatch):
    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ResumeFiles, "save_checkpoint", kill)
        with pytest.raises(Killed):
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT | {"save_minutes": 5})
    assert (tmp_path / "run/last.safetensors").exists()
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.parametrize("fault", ["torn", "changed", "missing", "empty"])
def test_a_damaged_newest_file_falls_back_to_the_one_before(fault, scenes, whole, tmp_path, monkeypatch, run):
    cut_short(monkeypatch, 6, scenes, tmp_path / "run")
    before, newest = sorted((tmp_path / "run/resume").glob("*.ckpt"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    if fault == "missing":
        newest.unlink()
    else:
        newest.write_bytes({"torn": content[: len(content) // 2], "changed": content, "empty": b""}[fault])
    result = run("train", "--resume", tmp_path / "run", "--device", "cpu")
    assert result.code == 0
    assert f"{newest}: {'missing' if fault == 'missing' else 'damaged'}; going on from the one before" in result.err
    assert f"Going on after step {int(before.stem.split('-')[1])} of 12" in result.err
    assert_same_run(whole, tmp_path / "run")


def test_only_damaged_files_are_an_error_once_an_epoch_is_done(scenes, whole, tmp_path, monkeypatch, run):
    for after in (1, 6):
        out = tmp_path / str(after)
        cut_short(monkeypatch, after, scenes, out)
        (out / "resume/.step-000000009.77.ckpt").write_text("half")  # as a kill while writing leaves it
        for file in (out / "resume").glob("*.ckpt"):
            file.write_bytes(b"PK")
        result = run("train", "--resume", out, "--device", "cpu")
        assert not (out / "resume/.step-000000009.77.ckpt").exists()
        if after == 6:
            assert result.code == 2
            assert f"{out / 'resume'}: holds no whole checkpoint" in result.err
        else:
            assert_same_run(whole, out)


def test_files_written_after_a_damaged_one_are_kept(scenes, tmp_path, monkeypatch):
    cut_short(monkeypatch, 7, scenes, tmp_path / "run")
    newest = max((tmp_path / "run/resume").glob("*.ckpt"))
    newest.write_bytes(b"torn")
    real, seen = ResumeFiles.save_checkpoint, []

    def save(self, checkpoint, path, storage_options=None):
        real(self, checkpoint, path, storage_options)
        seen.append((path.name, sorted(p.name for p in self.folder.glob("step-*.ckpt")), sorted(self.sums())))
        if len(seen) == 1:
            raise Killed

    monkeypatch.setattr(ResumeFiles, "save_checkpoint", save)
    with pytest.raises(Killed):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    written, files, listed = seen[0]
    assert files == listed == sorted(["step-000000006.ckpt", written])


def test_a_recipe_edited_meanwhile_is_told(scenes, tmp_path, monkeypatch, run):
    cut_short(monkeypatch, 2, scenes, tmp_path / "run")
    recipe = tmp_path / "run/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 3", "epochs: 9"))
    result = run("train", "--resume", tmp_path / "run", "--device", "cpu")
    assert result.code == 2
    assert f"{recipe}: epochs is another than when the run began" in result.err
    (tmp_path / "run/resume/run.json").unlink()
    assert "holds no run to resume" in run("train", "--resume", tmp_path / "run", "--device", "cpu").err


def test_a_finished_run_says_so(whole, run):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    result = run("train", "--resume", whole)
    assert result.code == 0
    assert "finished" in result.err
    assert str(whole / "best.safetensors") in result.out
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before
    (checkpoint,) = (whole / "resume").glob("*.ckpt")
    assert list(ResumeFiles(whole).sums()) == [checkpoint.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_and_says_how_to_go_on(number, scenes, whole, tmp_path, monkeypatch, run):
    real, steps = torch.optim.AdamW.step, []

    def step(self, closure):
        steps.append(1)
        if len(steps) == 6:
            os.kill(os.getpid(), number)
        return real(self, closure)

    settings = [f"--set={key}={value}" for key, value in (SHORT | {"save_minutes": 5}).items()]
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert result.code == 128 + number
    assert f"stopped by {signal.Signals(number).name} after step 6, in epoch 2 of 3" in result.err
    assert result.err.strip().endswith(f"sam2unet train --resume {tmp_path / 'run'}")
    assert signal.getsignal(number) == before
    assert run("train", "--resume", tmp_path / "run", "--device", "cpu").code == 0
    assert_same_run(whole, tmp_path / "run")


def test_a_full_disk_is_an_error_and_keeps_the_last_good_file(scenes, whole, tmp_path):
    """No file may grow beyond the limit: what is written then fails as on a full disk."""
    sam2unet.train(scenes, out=tmp_path / "once", device="cpu", **SHORT | {"epochs": 1})
    size = next((tmp_path / "once/resume").glob("*.ckpt")).stat().st_size

    def work() -> None:
        real, written = ResumeFiles.save_checkpoint, []

        def save(self, checkpoint, path, storage_options=None):
            written.append(path)
            if len(written) == 3:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
            real(self, checkpoint, path, storage_options)

        ResumeFiles.save_checkpoint = save
        code = 0
        try:
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT)
        except InputError as error:
            code = 2 if "cannot be written" in str(error) and "step-000000002.ckpt is kept" in str(error) else 3
        os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    assert process.exitcode == 2
    names = sorted(path.name for path in (tmp_path / "run/resume").iterdir())
    assert names == ["SHA256SUMS", "run.json", "step-000000001.ckpt", "step-000000002.ckpt"]
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(whole, tmp_path / "run")


def test_a_run_in_use_is_left_alone_and_the_lock_goes_with_its_process(tmp_path, scenes, run):
    ready = multiprocessing.get_context("fork").Event()

    def hold() -> None:
        with locked(tmp_path / "run"):
            ready.set()
            time.sleep(60)

    holder = multiprocessing.get_context("fork").Process(target=hold)
    holder.start()
    assert ready.wait(20)
    settings = [f"--set={key}={value}" for key, value in SHORT.items()]
    command = ("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    result = run(*command)
    assert result.code == 2
    assert f"{tmp_path / 'run'}: in use by another process ({holder.pid} on " in result.err
    assert not (tmp_path / "run/recipe.yaml").exists()
    holder.kill()
    holder.join()
    assert run(*command).code == 0
    with locked(tmp_path / "own"), pytest.raises(InputError, match="another run of this process"):
        locked(tmp_path / "own").__enter__()


def test_resuming_takes_data_and_recipe_from_the_run(scenes, whole, tmp_path, monkeypatch, run):
    shutil.copytree(scenes, tmp_path / "data")
    cut_short(monkeypatch, 2, tmp_path / "data", tmp_path / "run")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert "if the data has moved: train NEW_PLACE --resume" in run("train", "--resume", tmp_path / "run").err
    write_scenes(tmp_path / "other", train=8, test=3, side=64, seed=1)  # other pictures of the same names
    result = run("train", tmp_path / "other", "--resume", tmp_path / "run", "--device", "cpu")
    assert result.code == 2
    assert "holds other pairs" in result.err
    for words in (["--epochs", 5], ["--recipe", "paper"], ["--set", "lr=1"]):
        result = run("train", "--resume", tmp_path / "run", *words)
        assert result.code == 2
        assert "the recipe comes from the run" in result.err
    image = next((tmp_path / "moved/train/images").iterdir())
    mask = tmp_path / "moved/train/masks" / image.name
    for file in (image, mask):
        file.rename(tmp_path / f"{file.parent.name}.png")
    result = run("train", tmp_path / "moved", "--resume", tmp_path / "run", "--device", "cpu")
    assert result.code == 2
    assert f"other pairs than when {tmp_path / 'run'} began ({image.stem})" in result.err
    for file in (image, mask):
        (tmp_path / f"{file.parent.name}.png").rename(file)
    assert run("train", tmp_path / "moved", "--resume", tmp_path / "run", "--device", "cpu").code == 0
    assert_same_run(whole, tmp_path / "run")


def test_what_cannot_be_resumed_is_told(tmp_path, scenes, whole, run):
    assert "holds no run to resume" in run("train", "--resume", tmp_path).err
    assert "--out" in run("train", scenes).err
    assert run("train", scenes, "--out", tmp_path / "x", "--resume", whole).code == 2
    assert "--resume" in run("train", scenes, "--out", whole, "--trunk-weights", "none").err


def test_a_loss_of_ones_own_must_come_again(scenes, tmp_path, monkeypatch):
    def squares(logits, target):
        return (logits.sigmoid() - target).square().mean()

    cut_short(monkeypatch, 1, scenes, tmp_path / "run", SHORT | {"loss": squares})
    with pytest.raises(InputError, match="squares"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    sam2unet.train(resume=tmp_path / "run", device="cpu", loss=squares)


def test_a_file_to_resume_from_holds_only_what_is_trained(scenes, tmp_path):
    settings = SHORT | {"epochs": 1, "train_trunk": "none"}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **settings)
    file = next((run.folder / "resume").glob("*.ckpt"))
    content = torch.load(file, weights_only=True)
    assert not any(".trunk." in name for name in content["state_dict"])
    model = sam2unet.load_model(run.best)
    trained = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in model.trunk.parameters())
    assert file.stat().st_size < 1.02 * 12 * trained + 2e5  # weights and AdamW's two moments, in float32

"""Batches: their order in each process, their sizes, resuming inside an epoch."""

import multiprocessing
import shutil
import subprocess
import sys

import pytest

import sam2unet
from sam2unet.errors import InputError
from sam2unet.training import load_recipe
from sam2unet.training.loading import EpochBatchSampler, run_length, training_batches
from sam2unet.weights import load_model

from ..pico import SHORT


@pytest.mark.parametrize("min_batch", [1, 2])
@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 13, 24])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_batches_of_one_order(length, world_size, min_batch):
    sizes = [(64, 64), (96, 96)]
    samplers = [EpochBatchSampler(length, 2, sizes, 0, rank, world_size, min_batch) for rank in range(world_size)]
    batches = [list(sampler) for sampler in samplers]
    assert {len(sampler) for sampler in samplers} == {len(own) for own in batches} == {len(batches[0])}
    alone = list(EpochBatchSampler(length, 2 * world_size, sizes, 0))
    used = []
    for step, together in enumerate(zip(*batches, strict=True)):
        assert all(min_batch <= len(own) == len(together[0]) <= 2 for own in together)
        joined = [key for own in together for key in own]
        assert len({key.size for key in joined}) == 1
        assert {key.pair_index for key in joined} <= {key.pair_index for key in alone[step]}
        used += [key.pair_index for key in joined]
    assert len(set(used)) == len(used) == length - samplers[0].num_dropped
    assert samplers[0].num_dropped < min_batch * world_size


def test_an_epoch_resumes_at_the_batch_where_it_was_interrupted():
    def batches(start):
        sampler = EpochBatchSampler(13, 3, [(64, 64), (96, 96)], seed=1)
        sampler.set_epoch(2)
        sampler.start = start
        return list(sampler), list(sampler)

    (whole, again), (rest, next_time) = batches(0), batches(3)
    assert whole == again == next_time
    assert rest == whole[3:]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize(("length", "samples"), [(5, 12), (12, 12), (50, 12)])
def test_epochs_of_so_many_samples_cut_one_stream_of_passes(length, samples, world_size):
    drawn = []
    for epoch in range(6):
        samplers = [
            EpochBatchSampler(length, 3, [(64, 64)], 4, r, world_size, samples=samples) for r in range(world_size)
        ]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        own = [[key for batch in sampler for key in batch] for sampler in samplers]
        assert {len(sampler) for sampler in samplers} == {samples // 3 // world_size}
        drawn += [key for together in zip(*own, strict=True) for key in together]
    passes = [[key.pair_index for key in drawn if key.epoch == n] for n in range(6 * samples // length)]
    assert all(sorted(indices) == list(range(length)) for indices in passes)
    assert [key.epoch for key in drawn] == sorted(key.epoch for key in drawn)
    assert length == 50 or passes[0] != passes[1]


@pytest.mark.parametrize(
    ("changes", "length", "epochs", "steps_per_epoch"),
    [({"epochs": 3}, 10, 3, 3), ({"epochs": 3, "accumulate": 2}, 10, 3, 2), ({"steps": 9}, 10, 1, 9),
     ({"steps": 1000}, 10, 10, 100), ({"steps": 1050}, 10, 10, 105), ({"steps": 1050}, 2000, 2, 525),
     ({"steps": 1000, "accumulate": 2}, 10, 10, 100), ({"tile": 64, "epochs": 3}, 10, 3, 100),
     ({"tile": 64, "epochs": 3}, 2000, 3, 500), ({"steps": 7, "epoch_steps": 3}, 2, 2, 4)],
)  # fmt: skip
def test_the_length_of_a_run(changes, length, epochs, steps_per_epoch):
    recipe = load_recipe("general", changes)
    found = run_length(recipe, training_batches(recipe, length, 0, 1))
    assert (found.epochs, found.steps_per_epoch, found.steps) == (epochs, steps_per_epoch, epochs * steps_per_epoch)


def test_the_order_depends_on_seed_and_epoch():
    def order(seed, epoch):
        sampler = EpochBatchSampler(20, 4, [(64, 64)], seed)
        sampler.set_epoch(epoch)
        return [key.pair_index for batch in sampler for key in batch]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert sorted(order(0, 0)) == order(None, 3) == list(range(20))


def test_each_batch_has_one_of_the_sizes():
    sampler = EpochBatchSampler(400, 2, [(64, 64), (96, 96), (128, 128)], seed=0)
    drawn = [{key.size for key in batch} for batch in sampler]
    assert all(len(sizes) == 1 for sizes in drawn)
    counts = [sum(sizes == {(side, side)} for sizes in drawn) for side in (64, 96, 128)]
    assert min(counts) > 40


def test_multi_scale_trains_in_several_sizes_and_keeps_the_cards(scenes, tmp_path):
    sizes = []

    def squares(logits, target):
        sizes.append(tuple(target.shape[-2:]))
        return (logits - target).square().mean()

    settings = SHORT | {"multi_scale": [0.5, 1.0, 2.0], "epochs": 6}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", loss=squares, **settings)
    assert set(sizes) == {(32, 32), (64, 64), (128, 128)}
    assert load_model(run.best).card.size == (64, 64)


def test_a_last_batch_of_one_image_is_dropped_at_32_pixels_with_a_warning(scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"batch_size": 3, "size": 32}).items()]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings, "--epochs", 1)
    assert result.code == 0, result.err
    assert "warning: the last 1 of 7 shuffled images are dropped in each epoch" in result.err


def test_a_last_batch_of_one_image_is_used_at_64_pixels():
    assert training_batches(load_recipe("general", SHORT | {"batch_size": 3}), 7, 0, 1).num_dropped == 0


def test_training_batches_refuses_batches_of_one_image_at_32_pixels():
    with pytest.raises(InputError, match="use a larger size or batch_size"):
        training_batches(load_recipe("general", SHORT | {"batch_size": 1, "size": 32}), 7, 0, 1)


def test_an_image_that_disappears_while_training_is_an_error_of_one_sentence(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data")

    def remove_images(logits, target):
        for path in (tmp_path / "data/train/images").iterdir():
            path.unlink()
        return logits.square().mean()

    settings = SHORT | {"workers": 1, "batch_size": 1}
    with pytest.raises(InputError) as error:
        sam2unet.train(tmp_path / "data", out=tmp_path / "run", device="cpu", loss=remove_images, **settings)
    assert "\n" not in str(error.value)
    assert "no such file" in str(error.value)


ORPHAN = """
import multiprocessing, os, time
from sam2unet.training.loading import _start_worker

def work():
    print("started", flush=True)
    while os.getppid() == multiprocessing.parent_process().pid:
        time.sleep(0.01)
    _start_worker(0)
    print("survived", flush=True)

multiprocessing.Process(target=work).start()
os._exit(0)
"""


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="workers are forked on Linux only")
def test_a_worker_whose_parent_was_killed_while_it_started_ends():
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, timeout=60)  # until both end
    assert done.stdout == "started\n"

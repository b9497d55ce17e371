"""Samples: their values, their independence of workers, their order."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sam2unet.data import Pair, find_pairs, write_scenes
from sam2unet.errors import InputError
from sam2unet.training.augmentation import Augmentation
from sam2unet.training.samples import EpochBatchSampler, PairDataset, Preprocessing, SampleKey

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def prepared(**options):
    return Preprocessing((64, 96), MEAN, STD, **options)


@pytest.mark.parametrize("filtering", ["bicubic", "nearest"])
def test_values_are_pillows_resize_normalised(filtering, scenes):
    pair = find_pairs(scenes).pairs["train"][0]
    image, mask, _ = PairDataset([pair], prepared(mask_resize=filtering))[SampleKey(0, 0, (64, 96))]
    picture = np.asarray(Image.open(pair.image).resize((96, 64), Image.Resampling.BILINEAR)) / 255
    expected = (picture - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(image.numpy(), expected.transpose(2, 0, 1), atol=1e-5)
    expected = Image.open(pair.mask).resize((96, 64), Image.Resampling[filtering.upper()])
    np.testing.assert_allclose(mask[0].numpy(), np.asarray(expected) / 255, atol=1e-6)
    assert image.dtype == mask.dtype == torch.float32


def test_class_indices_stay_whole(tmp_path):
    indices = np.random.default_rng(0).integers(0, 3, (50, 70), dtype=np.uint8)
    indices[0] = 255
    Image.fromarray(indices).save(tmp_path / "m.png")
    Image.fromarray(indices).save(tmp_path / "i.png")
    pair = Pair("i", tmp_path / "i.png", tmp_path / "m.png")
    _, mask, _ = PairDataset([pair], prepared(classes=3))[SampleKey(0, 0, (64, 96))]
    assert mask.dtype == torch.int64
    assert mask.shape == (64, 96)
    assert set(mask.unique().tolist()) == {0, 1, 2, 255}


def test_ignored_pixels_of_one_class_stay_ignored_and_leave_the_object_alone(tmp_path):
    values = np.zeros((64, 96), np.uint8)
    values[:, 40:] = 1
    values[20:40] = 255
    Image.fromarray(values).save(tmp_path / "m.png")
    _, mask, _ = PairDataset([Pair("i", tmp_path / "m.png", tmp_path / "m.png")], prepared())[SampleKey(0, 0, (64, 96))]
    np.testing.assert_array_equal(mask[0].numpy() == 255, values == 255)
    np.testing.assert_array_equal(mask[0].numpy()[values == 1], 1)


def test_a_sample_follows_from_seed_epoch_and_pair(scenes):
    pairs = find_pairs(scenes).pairs["train"]
    augmentation = Augmentation(flip_horizontal=0.5, rotation=20, colour=0.3, noise=0.05)

    def sample(seed, *at):
        return PairDataset(pairs, prepared(), seed, [augmentation])[SampleKey(*at, (64, 96))][0]

    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = sample(3, 1, 0)
    assert torch.equal(state, torch.get_rng_state())  # what others draw is not disturbed
    torch.manual_seed(1)
    assert torch.equal(first, sample(3, 1, 0))
    assert not torch.equal(first, sample(3, 2, 0))
    assert not torch.equal(first, sample(4, 1, 0))


def test_the_number_of_workers_changes_nothing(scenes):
    augmentation = Augmentation(0.5, 0.5, 15, (0.8, 1.25), 0.6, 0.2, 1.5, 0.03)
    dataset = PairDataset(find_pairs(scenes).pairs["train"], prepared(), 3, [augmentation])
    loads = []
    for workers in (0, 2):
        batches = EpochBatchSampler(len(dataset), 3, [(64, 96), (32, 64)], seed=5)
        batches.set_epoch(4)
        torch.manual_seed(workers)  # what else is drawn must not matter
        loads.append(list(DataLoader(dataset, batch_sampler=batches, num_workers=workers)))
    assert len(loads[0]) == 3
    for ours, theirs in zip(*loads, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("smallest", [1, 2])
@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 13, 24])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_each_batch_of_one_order(length, world, smallest):
    sizes = [(64, 64), (96, 96)]
    orders = [EpochBatchSampler(length, 2, sizes, 0, rank, world, smallest) for rank in range(world)]
    batches = [list(order) for order in orders]
    assert {len(order) for order in orders} == {len(mine) for mine in batches} == {len(batches[0])}
    alone = list(EpochBatchSampler(length, 2 * world, sizes, 0))
    seen = []
    for step, together in enumerate(zip(*batches, strict=True)):
        assert all(smallest <= len(mine) == len(together[0]) <= 2 for mine in together)
        joined = [at for mine in together for at in mine]
        assert len({at.size for at in joined}) == 1
        assert {at.pair for at in joined} <= {at.pair for at in alone[step]}
        seen += [at.pair for at in joined]
    assert len(set(seen)) == len(seen) == length - orders[0].left_out
    assert orders[0].left_out < smallest * world


def test_an_epoch_goes_on_where_it_was_left():
    def batches(start):
        order = EpochBatchSampler(13, 3, [(64, 64), (96, 96)], seed=1)
        order.set_epoch(2)
        order.start = start
        return list(order), list(order)

    (whole, again), (rest, next_time) = batches(0), batches(3)
    assert whole == again == next_time
    assert rest == whole[3:]


def test_orders_follow_seed_and_epoch_and_validation_keeps_its_own():
    def order(seed, epoch):
        batches = EpochBatchSampler(20, 4, [(64, 64)], seed)
        batches.set_epoch(epoch)
        return [at.pair for batch in batches for at in batch]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert sorted(order(0, 0)) == order(None, 3) == list(range(20))


def test_sizes_are_drawn_for_each_batch_and_all_come():
    order = EpochBatchSampler(400, 2, [(64, 64), (96, 96), (128, 128)], seed=0)
    drawn = [{at.size for at in batch} for batch in order]
    assert all(len(sizes) == 1 for sizes in drawn)
    counts = [sum(sizes == {(side, side)} for sizes in drawn) for side in (64, 96, 128)]
    assert min(counts) > 40


def test_scenes_are_the_same_for_the_same_seed_and_differ_else(tmp_path, scenes):
    write_scenes(tmp_path / "again", train=8, test=3, side=64)
    write_scenes(tmp_path / "other", train=1, test=1, side=64, seed=1)

    def content(root):
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.png")}

    assert content(tmp_path / "again") == content(scenes)
    one = "train/images/scene_0000.png"
    assert content(tmp_path / "other")[one] != content(scenes)[one]
    with pytest.raises(InputError, match="not empty"):
        write_scenes(tmp_path / "again")

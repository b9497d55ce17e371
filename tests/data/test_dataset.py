"""Samples: their values, their independence of workers, their order."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sam2unet.data import EpochOrder, Flips, Pair, PairDataset, Preparation, find_pairs, write_scenes
from sam2unet.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def prepared(**options):
    return Preparation((64, 96), MEAN, STD, **options)


@pytest.mark.parametrize("filtering", ["bicubic", "nearest"])
def test_values_are_pillows_resize_normalised(filtering, scenes):
    pair = find_pairs(scenes).pairs["train"][0]
    image, mask = PairDataset([pair], prepared(mask_resize=filtering))[0, 0]
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
    _, mask = PairDataset([Pair("i", tmp_path / "i.png", tmp_path / "m.png")], prepared(classes=3))[0, 0]
    assert mask.dtype == torch.int64
    assert mask.shape == (64, 96)
    assert set(mask.unique().tolist()) == {0, 1, 2, 255}


def test_image_and_mask_are_flipped_together(scenes):
    dataset = PairDataset(find_pairs(scenes).pairs["train"], prepared(), seed=3, augment=Flips(0.5, 0.5))
    plain = PairDataset(dataset.pairs, prepared())
    seen = set()
    for epoch in range(12):
        image, mask = dataset[epoch, 0]
        original_image, original_mask = plain[0, 0]
        fits = [dims for dims in ([], [-1], [-2], [-1, -2]) if torch.equal(image, original_image.flip(dims))]
        assert len(fits) == 1
        assert torch.equal(mask, original_mask.flip(fits[0]))
        seen.add(tuple(fits[0]))
    assert len(seen) == 4


def test_the_number_of_workers_changes_nothing(scenes):
    dataset = PairDataset(find_pairs(scenes).pairs["train"], prepared(), seed=3, augment=Flips(0.5, 0.5))
    batches = []
    for workers in (0, 2):
        order = EpochOrder(len(dataset), 3, seed=5)
        order.set_epoch(4)
        torch.manual_seed(workers)  # what else is drawn must not matter
        batches.append(list(DataLoader(dataset, 3, sampler=order, num_workers=workers)))
    assert len(batches[0]) == 3
    for ours, theirs in zip(*batches, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 13, 24])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_each_batch_of_one_order(length, world):
    orders = [list(EpochOrder(length, 2, 0, rank, world)) for rank in range(world)]
    assert len({len(order) for order in orders}) == 1
    together = [at for order in orders for at in order]
    assert len(set(together)) == len(together)
    assert {index for _, index in together} <= set(range(length))
    batches = [{at for order in orders for at in order[i : i + 2]} for i in range(0, len(orders[0]), 2)]
    alone = list(EpochOrder(length, 2 * world, 0))
    for i, batch in enumerate(batches[:-1]):
        assert batch == set(alone[2 * world * i : 2 * world * (i + 1)])
    assert length - len(together) < 2 * world


def test_orders_follow_seed_and_epoch_and_validation_keeps_its_own():
    def order(seed, epoch):
        sampler = EpochOrder(20, 4, seed)
        sampler.set_epoch(epoch)
        return [index for _, index in sampler]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert sorted(order(0, 0)) == order(None, 3) == list(range(20))


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

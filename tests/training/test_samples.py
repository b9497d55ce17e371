"""Samples: their values, and their independence of everything but seed, epoch and index."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sam2unet.data import Pair, find_pairs
from sam2unet.training.augmentation import Augmentation
from sam2unet.training.loading import EpochBatchSampler
from sam2unet.training.samples import PairDataset, Preprocessing, SampleKey

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (64, 96)


def preprocessing(**options):
    return Preprocessing(SIZE, MEAN, STD, **options)


@pytest.mark.parametrize("resampling", ["bicubic", "nearest"])
def test_image_and_mask_equal_pillows_resize(resampling, scenes):
    pair = find_pairs(scenes).pairs["train"][0]
    image, mask, _ = PairDataset([pair], preprocessing(mask_resize=resampling))[SampleKey(0, 0, SIZE)]
    pixels = np.asarray(Image.open(pair.image).resize((96, 64), Image.Resampling.BILINEAR)) / 255
    expected = (pixels - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(image.numpy(), expected.transpose(2, 0, 1), atol=1e-5)
    expected = Image.open(pair.mask).resize((96, 64), Image.Resampling[resampling.upper()])
    np.testing.assert_allclose(mask[0].numpy(), np.asarray(expected) / 255, atol=1e-6)
    assert image.dtype == mask.dtype == torch.float32


def test_class_indices_are_not_interpolated(tmp_path, rng):
    indices = rng.integers(0, 3, (50, 70), dtype=np.uint8)
    indices[0] = 255
    Image.fromarray(indices).save(tmp_path / "m.png")
    pair = Pair("m", tmp_path / "m.png", tmp_path / "m.png")
    _, mask, _ = PairDataset([pair], preprocessing(classes=3, mask_values="classes"))[SampleKey(0, 0, SIZE)]
    assert mask.dtype == torch.int64
    assert mask.shape == SIZE
    assert set(mask.unique().tolist()) == {0, 1, 2, 255}


def test_ignored_pixels_of_one_class_stay_ignored_and_leave_the_object_alone(tmp_path):
    values = np.zeros(SIZE, np.uint8)
    values[:, 40:] = 1
    values[20:40] = 255
    Image.fromarray(values).save(tmp_path / "m.png")
    pair = Pair("m", tmp_path / "m.png", tmp_path / "m.png")
    _, mask, _ = PairDataset([pair], preprocessing(mask_values="foreground=1,255:ignore"))[SampleKey(0, 0, SIZE)]
    np.testing.assert_array_equal(mask[0].numpy() == 255, values == 255)
    np.testing.assert_array_equal(mask[0].numpy()[values == 1], 1)


def test_a_sample_depends_on_seed_epoch_and_index(scenes):
    pairs = find_pairs(scenes).pairs["train"]
    augmentation = Augmentation(flip_horizontal=0.5, rotation=20, colour=0.3, noise=0.05)

    def sample(seed, epoch, index):
        return PairDataset(pairs, preprocessing(), seed, [augmentation])[SampleKey(epoch, index, SIZE)][0]

    torch.manual_seed(0)
    first = sample(3, 1, 0)
    torch.manual_seed(1)
    assert torch.equal(first, sample(3, 1, 0))
    assert not torch.equal(first, sample(3, 2, 0))
    assert not torch.equal(first, sample(4, 1, 0))
    assert not torch.equal(first, sample(3, 1, 1))


def test_augmentation_leaves_torchs_global_generator_alone(scenes):
    dataset = PairDataset(find_pairs(scenes).pairs["train"], preprocessing(), 3, [Augmentation(noise=0.05)])
    state = torch.get_rng_state()
    dataset[SampleKey(1, 0, SIZE)]
    assert torch.equal(state, torch.get_rng_state())


def test_samples_do_not_depend_on_the_number_of_workers(scenes):
    augmentation = Augmentation(0.5, 0.5, 0.75, 15, (0.8, 1.25), 0.6, 0.2, 1.5, 0.03)
    dataset = PairDataset(find_pairs(scenes).pairs["train"], preprocessing(), 3, [augmentation])
    loads = []
    for workers in (0, 2):
        sampler = EpochBatchSampler(len(dataset), 3, [SIZE, (32, 64)], seed=5)
        sampler.set_epoch(4)
        torch.manual_seed(workers)  # the state of the global generator must not matter
        loads.append(list(DataLoader(dataset, batch_sampler=sampler, num_workers=workers)))
    assert len(loads[0]) == 3
    for one, other in zip(*loads, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

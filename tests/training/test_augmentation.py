"""Augmentation of an image and its mask."""

import numpy as np
import pytest
import torch

from sam2unet.training.augmentation import Augmentation

SIDE = 96


@pytest.fixture
def noise(rng: np.random.Generator) -> torch.Tensor:
    """An image of noise, (3, SIDE, SIDE) in [0, 1]."""
    return torch.from_numpy(rng.random((3, SIDE, SIDE), dtype=np.float32))


def disc(side: int = SIDE) -> torch.Tensor:
    """A disc off the centre, (1, side, side), 1 inside."""
    y, x = np.mgrid[:side, :side]
    return torch.from_numpy((np.hypot(y - 40, x - 56) < 25).astype(np.float32))[None]


def apply(augmentation: Augmentation, mask: torch.Tensor, seed: int = 0, image: torch.Tensor | None = None):
    image = mask.expand(3, -1, -1).clone() if image is None else image
    return augmentation(image, mask, np.random.default_rng(seed))


def test_the_defaults_change_nothing(noise):
    image, mask = noise, disc()
    found_image, found_mask = apply(Augmentation(), mask, image=image)
    assert torch.equal(found_image, image)
    assert torch.equal(found_mask, mask)


@pytest.mark.parametrize(("options", "dims"), [({"flip_horizontal": 1.0}, [-1]), ({"flip_vertical": 1.0}, [-2])])
def test_flips_equal_torchs_flip(options, dims, noise):
    image = noise
    found_image, found_mask = apply(Augmentation(**options), disc(), image=image)
    assert torch.equal(found_image, image.flip(dims))
    assert torch.equal(found_mask, disc().flip(dims))


@pytest.mark.parametrize(("width", "turns"), [(SIDE, {1, 2, 3}), (32, {2})])
def test_quarter_turns_equal_numpys(width, turns, noise):
    image, mask = noise[:, :, :width].contiguous(), disc()[:, :, :width].contiguous()
    seen = set()
    for seed in range(20):
        found_image, found_mask = apply(Augmentation(quarter_turns=1.0), mask, seed, image)
        expected = {k: np.rot90(image.numpy(), k, (1, 2)) for k in turns}
        (k,) = [k for k, turned in expected.items() if np.array_equal(turned, found_image.numpy())]
        np.testing.assert_array_equal(found_mask.numpy(), np.rot90(mask.numpy(), k, (1, 2)))
        seen.add(k)
    assert seen == turns


@pytest.mark.parametrize("kind", ["soft", "indices", "ignored"])
@pytest.mark.parametrize("options", [{"rotation": 45.0}, {"zoom": (0.6, 1.6)}, {"crop": 0.4}])
def test_rotation_zoom_and_crop_move_the_mask_with_the_image(options, kind):
    mask = {"soft": disc(), "indices": disc()[0].long() * 2, "ignored": disc()}[kind]
    if kind == "ignored":
        mask[0, :10] = 255
    disc_image = disc().expand(3, -1, -1)
    moved = 0
    for seed in range(5):
        image, found = apply(Augmentation(**options), mask, seed, disc_image)
        assert found.shape == mask.shape
        assert found.dtype == mask.dtype
        allowed = {"indices": {0, 2}, "ignored": {0.0, 1.0, 255.0}}
        assert kind == "soft" or set(found.unique().tolist()) <= allowed[kind]
        shown, known = image[0] > 0.5, found.reshape(SIDE, SIDE) != 255
        inside = found.reshape(SIDE, SIDE) > 0.5
        assert (shown == inside)[known].float().mean() > 0.98
        moved += not torch.equal(found, mask)
    assert moved == 5


@pytest.mark.parametrize(("rotation", "least"), [(0.0, 0.0), (30.0, 10.0)])
def test_rotation_is_at_most_the_given_angle(rotation, least):
    bar = torch.zeros(1, SIDE, SIDE)
    bar[0, SIDE // 2 - 2 : SIDE // 2 + 2, 10:-10] = 1
    angles = []
    for seed in range(8):
        _, found = apply(Augmentation(rotation=rotation, colour=0.01), bar, seed)
        y, x = np.nonzero(found[0].numpy() > 0.5)
        angles.append(abs(np.degrees(np.arctan(np.polyfit(x, y, 1)[0]))))
    assert least <= max(angles) <= rotation + 1.5


def test_zoom_scales_areas_by_the_factor_squared():
    small = torch.zeros(1, SIDE, SIDE)
    small[0, 40:56, 40:56] = 1
    for options, factors in (({"zoom": (2.0, 2.0)}, (3.6, 4.4)), ({"zoom": (0.5, 0.5)}, (0.2, 0.3))):
        _, found = apply(Augmentation(**options), small)
        inside = found[0, 16:80, 16:80] if factors[0] < 1 else found  # the mirrored image comes in at the border
        assert factors[0] <= float(inside.sum() / small.sum()) <= factors[1]


def test_crop_is_resized_to_the_whole_size():
    full = torch.ones(1, SIDE, SIDE)
    cropped = apply(Augmentation(crop=0.3), full)[1]
    assert cropped.shape == full.shape
    assert cropped.min() == 1


def test_colour_blur_and_noise_keep_the_mask_and_the_range():
    grey = torch.full((3, SIDE, SIDE), 0.5)
    sharp = (torch.arange(SIDE) % 2).float().expand(3, SIDE, SIDE)
    for options, image in (({"colour": 0.4}, grey), ({"blur": 2.0}, sharp), ({"noise": 0.1}, grey)):
        found = [apply(Augmentation(**options), disc(), seed, image) for seed in range(12)]
        assert all(torch.equal(mask, disc()) for _, mask in found)
        assert all(result.min() >= 0 and result.max() <= 1 for result, _ in found)
        others = [result for result, _ in found if not torch.equal(result, image)]
        assert len(others) == 12 if "colour" in options else 2 <= len(others) <= 10  # half of the samples
        if "noise" in options:
            assert float(others[0].std()) == pytest.approx(0.1, rel=0.1)
        if "blur" in options:
            assert all(result.std() <= sharp.std() for result in others)
            assert min(float(result.std()) for result in others) < 0.6 * sharp.std()


def test_colour_changes_what_it_says_and_no_more():
    rng = np.random.default_rng(0)
    grey = torch.linspace(0.3, 0.6, SIDE).expand(3, SIDE, SIDE)
    red = torch.stack([torch.full((SIDE, SIDE), value) for value in (0.6, 0.4, 0.4)])
    hues = []
    for _ in range(50):
        found = Augmentation(colour=0.3)(grey, disc(), rng)[0]
        assert (found - found.mean(dim=0)).abs().max() < 3e-3  # grey stays grey
        assert 0.7 - 1e-3 <= found.mean() / grey.mean() <= 1.3 + 1e-3  # brightness
        spread = (found.std() / found.mean()) / (grey.std() / grey.mean())
        assert 0.7 - 1e-3 <= spread <= 1.3 + 1e-3  # contrast
        r, g, b = (float(x) for x in Augmentation(colour=0.3)(red, disc(), rng)[0][:, 0, 0])
        hues.append(np.degrees(np.arctan2(3**0.5 * (g - b), 2 * r - g - b)))
    assert 5 < max(hues) < 20  # a tenth of 0.3 turns is 10.8 degrees of the chroma plane
    assert -20 < min(hues) < -5

"""Connected components: small ones, holes, COCO's outlines, against pycocotools and a flood fill."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage

from sam2unet.prediction.components import find_components, remove_small

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # in pycocotools


def blobs(height=60, width=80, level=0.1, seed=0):
    """A mask with components of all sizes, some with holes, some at the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), 2)
    return noise > level * noise.std()


def flood_fill(mask, corners):
    """Sets of connected pixels, found one pixel at a time."""
    left, found = set(zip(*np.nonzero(mask), strict=True)), []
    near = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if corners or not dy or not dx]
    while left:
        component, ahead = set(), [left.pop()]
        while ahead:
            y, x = ahead.pop()
            component.add((y, x))
            for dy, dx in near:
                if (y + dy, x + dx) in left:
                    left.remove((y + dy, x + dx))
                    ahead.append((y + dy, x + dx))
        found.append(component)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_find_components_finds_what_a_flood_fill_finds(seed):
    mask = blobs(seed=seed)
    expected = sorted(map(sorted, flood_fill(mask, corners=True)))
    found = []
    for component in find_components(mask):
        left, top, width, height = component.box
        assert component.pixels.shape == (height, width)
        assert component.pixels.any(axis=0).all()
        assert component.pixels.any(axis=1).all()
        rows, columns = np.nonzero(component.pixels)
        assert component.area == len(rows)
        found.append(sorted(zip(rows + top, columns + left, strict=True)))
    assert sorted(found) == expected


@pytest.mark.parametrize(("min_part", "min_hole"), [(0, 0), (30, 0), (0, 30), (40, 25), (10**6, 0)])
def test_remove_small_removes_components_and_fills_holes(min_part, min_hole):
    mask = blobs(level=-0.1, seed=4)
    expected = mask.copy()
    for component in flood_fill(mask, corners=True):
        if len(component) < min_part:
            expected[tuple(np.array(sorted(component)).T)] = False
    for hole in flood_fill(~expected, corners=False):
        places = np.array(sorted(hole))
        inside = (places > 0).all() and (places < np.array(mask.shape) - 1).all()
        if inside and len(hole) < min_hole:
            expected[tuple(places.T)] = True
    found = remove_small(mask, min_part, min_hole)
    np.testing.assert_array_equal(found, expected)
    assert (found != mask).any() == bool(min_part or min_hole)


def test_remove_small_fills_holes_with_the_class_around_them():
    mask = np.zeros((20, 30), np.uint8)
    mask[2:18, 2:14], mask[2:18, 14:28] = 1, 2
    mask[5:7, 5:7] = 0  # in class 1
    mask[9, 13:15] = 0  # between both
    mask[12, 20] = 1  # a small component inside the other class
    expected = mask.copy()
    expected[5:7, 5:7] = 1
    expected[12, 20] = 2
    np.testing.assert_array_equal(remove_small(mask, 2, 5), expected)


@pytest.mark.parametrize("seed", range(3))
def test_run_lengths_are_decoded_by_pycocotools(seed):
    mask = blobs(seed=seed)
    whole = np.zeros_like(mask)
    for component in find_components(mask):
        lengths = component.run_lengths(*mask.shape)
        own = coco_mask.decode(coco_mask.frPyObjects(lengths, *mask.shape)).astype(bool)
        left, top, width, height = component.box
        np.testing.assert_array_equal(own[top : top + height, left : left + width], component.pixels)
        assert own.sum() == component.area
        encoded = coco_mask.encode(np.asfortranarray(own, np.uint8))
        assert coco_mask.frPyObjects(lengths, *mask.shape) == encoded  # no run of nothing
        assert tuple(coco_mask.toBbox(encoded)) == component.box
        whole |= own
    np.testing.assert_array_equal(whole, mask)


@pytest.mark.parametrize("mask", [np.ones((3, 4), bool), np.eye(5, dtype=bool), np.ones((1, 1), bool)])
def test_run_lengths_at_the_borders(mask):
    (component,) = find_components(mask)
    np.testing.assert_array_equal(
        coco_mask.decode(coco_mask.frPyObjects(component.run_lengths(*mask.shape), *mask.shape)), mask
    )


def centres_inside(outline, height, width):
    """Which pixels' centres lie in a polygon, by counting the edges to their left."""
    points = np.array(outline).reshape(-1, 2)
    y, x = np.mgrid[:height, :width] + 0.5
    crossed = np.zeros((height, width), int)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 != y1:
            crossed += ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    return crossed % 2 == 1


@pytest.mark.parametrize("seed", range(3))
def test_polygons_enclose_the_centres_of_the_pixels_but_not_of_holes(seed):
    mask = blobs(level=-0.2, seed=seed)
    assert (ndimage.binary_fill_holes(mask) != mask).any()
    whole = np.zeros_like(mask)
    for component in find_components(mask):
        for outline in component.polygons():
            assert len(outline) >= 6
            whole |= centres_inside(outline, *mask.shape)
    np.testing.assert_array_equal(whole, mask)


def test_polygons_of_rings_within_rings():
    y, x = np.mgrid[:100, :100] - 50
    mask = np.isin((np.hypot(x, y) // 9).astype(int), (1, 3))
    drawn = np.zeros_like(mask)
    for component in find_components(mask):
        for outline in component.polygons():
            drawn ^= centres_inside(outline, 100, 100)
    np.testing.assert_array_equal(drawn, mask)
    rings = [p for component in find_components(mask) for p in component.polygons()]
    rendered = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, 100, 100)))
    assert (rendered & mask).sum() / (rendered | mask).sum() > 0.9

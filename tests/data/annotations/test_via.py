"""VIA's exports and projects."""

import numpy as np
import pytest

from sam2unet.errors import InputError

from .files import HEIGHT, WIDTH, box_mask, drawn, read

SQUARE = {"name": "polygon", "all_points_x": [6, 12, 12, 6], "all_points_y": [4, 4, 10, 10]}
MASK = box_mask(6, 4, 6, 6)


def via(*shapes, regions=list, **attributes):
    items = [{"shape_attributes": shape, "region_attributes": attributes} for shape in shapes]
    items = items if regions is list else {str(key): item for key, item in enumerate(items)}
    return {"a.jpg9": {"filename": "a.jpg", "size": 9, "regions": items}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "via.json"


@pytest.mark.parametrize("regions", [list, dict])
@pytest.mark.parametrize("is_project", [False, True])
def test_read_reads_exports_and_projects(regions, is_project, path):
    content = via(SQUARE, {"name": "rect", "x": 20, "y": 15, "width": 4, "height": 3}, regions=regions)
    file = read(path, {"_via_settings": {}, "_via_img_metadata": content} if is_project else content)
    assert not file.of_one_image
    np.testing.assert_array_equal(drawn(file, "a.jpg"), MASK | box_mask(20, 15, 4, 3))


@pytest.mark.parametrize(
    ("shape", "radii", "angle"),
    [({"name": "circle", "r": 7.5}, (7.5, 7.5), 0), ({"name": "ellipse", "rx": 9, "ry": 4}, (9, 4), 0),
     ({"name": "ellipse", "rx": 9, "ry": 4, "theta": 0.7}, (9, 4), 0.7)],
)  # fmt: skip
def test_read_fills_ellipses(shape, radii, angle, path):
    found = drawn(read(path, via({"cx": 15, "cy": 12, **shape})), "a.jpg")
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5 - np.array([12, 15])[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = [(along / (radii[0] + d)) ** 2 + (across / (radii[1] + d)) ** 2 < 1 for d in (-0.8, 0.8)]
    assert (found[inside[0]] == 1).all()
    assert (found[~inside[1]] == 0).all()


def test_read_skips_points_and_lines_without_a_width(path):
    line = {"name": "polyline", "all_points_x": [5, 20], "all_points_y": [20, 20]}
    content = via(SQUARE, {"name": "point", "cx": 1, "cy": 1}, line)
    file = read(path, content)
    assert file.skipped == {"points": 1, "lines: set line_width to draw them": 1}
    assert drawn(read(path, content, line_width=1), "a.jpg")[20, 5:20].all()


@pytest.mark.parametrize(
    ("attributes", "label"),
    [({}, ""), ({"name": "polyp", "note": ""}, "polyp"), ({"kind": {"polyp": True, "tool": False}}, "polyp"),
     ({"a": "x", "b": "y"}, "a=x; b=y")],
)  # fmt: skip
def test_read_labels_regions_by_their_only_attribute(attributes, label, path):
    assert read(path, via(SQUARE, **attributes)).labels == (label,)


def test_read_refuses_coordinates_that_are_no_pairs(path):
    with pytest.raises(InputError, match="4 x for 1 y"):
        read(path, via(SQUARE | {"all_points_y": [1]}))


def test_with_size_refuses_an_image_that_is_too_small(path):
    file = read(path, via(SQUARE))
    with pytest.raises(InputError, match=r"to \(12, 10\), but its image is 8x8"):
        file.annotations["a.jpg"].with_size((8, 8))

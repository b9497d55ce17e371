"""Patterns choose files in a folder."""

from pathlib import PurePath

import pytest

from sam2unet.data.layout.glob_patterns import matches

FILE = PurePath("training/1st_manual/p1/21_manual1.gif")


@pytest.mark.parametrize(
    "pattern",
    ["*.gif", "*.GIF", "p1/*", "1st_manual/*", "1st_manual", "1st_manual/", "training/*", "training/**/*.gif",
     "**/*.gif", "./training/1st_manual/*/*_manual1.gif", "training\\1st_manual\\*", "2?_manual[12].gif",
     "21_*[!2].gif", "**"],
)  # fmt: skip
def test_matches_the_end_of_a_path_or_of_its_folders(pattern):
    assert matches(pattern, FILE)


@pytest.mark.parametrize(
    "pattern",
    ["*.tif", "manual/*", "1st_manual/*.gif", "st_manual/*", "*_manua", "21_manual1?gif.x", "p1/*/*", "[!2]*.gif"],
)
def test_matches_no_other_path(pattern):
    assert not matches(pattern, FILE)

"""Which pairs deserve a look first."""

from pathlib import Path

import pytest

from sam2unet.data import Pair, PairCheck
from sam2unet.pages.suspicion import Kind, Reason, by_severity, find_reasons, in_order


def checked(name, foreground=0.1, size=(100, 100), **fields):
    labels = {label: round(10000 * share) for label, share in ((0, 1 - foreground), (1, foreground)) if share}
    pair = Pair(name, Path(f"{name}.jpg"), Path(f"{name}.png"))
    return PairCheck(pair, "train", size, labels=fields.pop("labels", labels), **fields)


def kinds(pairs, **arguments):
    return [[reason.kind for reason in several] for several in find_reasons(pairs, None, **arguments)]


def test_find_reasons_says_nothing_of_pairs_that_vary_a_little(rng):
    pairs = [checked(str(i), foreground) for i, foreground in enumerate(rng.uniform(0.05, 0.3, 50))]
    assert kinds(pairs) == [[]] * 50


@pytest.mark.parametrize(
    ("foreground", "kind"),
    [(0, Kind.EMPTY), (1, Kind.FULL), (0.98, Kind.FULL), (0.001, Kind.OBJECT), (0.7, Kind.OBJECT)],
)
def test_find_reasons_reports_unusual_foreground(foreground, kind):
    pairs = [checked(str(i), 0.1 + 0.001 * i) for i in range(20)] + [checked("odd", foreground)]
    assert kinds(pairs) == [[]] * 20 + [[kind]]


def test_find_reasons_reports_rare_sizes_only_where_one_is_usual():
    usual = [checked(str(i)) for i in range(20)]
    assert kinds([*usual, checked("odd", size=(50, 50))])[-1] == [Kind.SIZE]
    assert kinds([checked(str(i), size=(50 + i, 60)) for i in range(21)]) == [[]] * 21


def test_find_reasons_reports_turned_images_and_masks_that_are_mostly_ignored():
    usual = [checked(str(i)) for i in range(20)]
    odd = [checked("turned", orientation=6), checked("ignored", labels={0: 3000, 1: 1000, 255: 6000})]
    assert kinds([*usual, *odd])[-2:] == [[Kind.TURNED], [Kind.IGNORED]]


def test_find_reasons_reports_outlines_of_low_contrast_beside_that_of_the_others():
    pairs = [checked(str(i)) for i in range(20)]
    usual = dict.fromkeys(range(19), 2.0)
    assert kinds(pairs, contrasts=usual | {19: 1.0})[-1] == [Kind.CONTRAST]
    assert kinds(pairs, contrasts=usual | {19: 1.3})[-1] == []
    assert kinds(pairs, contrasts=dict.fromkeys(range(19), 1.0) | {19: 0.9}) == [[]] * 20


def test_by_severity_puts_serious_kinds_first_and_takes_some_of_each():
    tiny = [[Reason(Kind.OBJECT, "", severity)] for severity in (4, 9, 5)]
    reasons = [*tiny, [], [Reason(Kind.UNREADABLE, "")], [Reason(Kind.SIZE, "")]]
    assert by_severity(reasons, 2) == [4, 1, 2, 5]


def test_in_order_puts_training_first():
    assert in_order(["val", "extra", "test", "train"]) == ["train", "val", "test", "extra"]


def test_find_reasons_counts_few_pairs_as_nothing_to_compare_with():
    pairs = [checked("a", 0.5), checked("b", 0.001), checked("c", 0.1, size=(7, 7))]
    assert kinds(pairs, contrasts=dict.fromkeys(range(3), 0.1)) == [[], [], []]
    assert find_reasons([], None) == []

"""The catalogue of the paper's eighteen test sets."""

import pytest

from sam2unet.benchmark import catalogue, chosen_sets
from sam2unet.errors import InputError

from .sets import SETS


def test_catalogue_holds_eighteen_sets_of_five_tasks():
    assert {name: len(task.sets) for name, task in catalogue().items()} == {
        "camouflage": 4, "salient": 5, "marine": 2, "mirror": 2, "polyp": 5,
    }  # fmt: skip
    assert len({dataset.name for dataset in SETS}) == 18


@pytest.mark.parametrize("dataset", SETS, ids=lambda dataset: dataset.name)
def test_catalogue_entries_are_consistent(dataset):
    assert dataset.layouts
    assert set(dataset.reported) <= set(catalogue()[dataset.task].metrics)
    assert [other.name for other in SETS if other.folder_names.search(dataset.name)] == [dataset.name]


def test_chosen_sets_are_those_of_the_tasks():
    assert len(chosen_sets()) == len(chosen_sets(["all"])) == 18
    assert {dataset.task for dataset in chosen_sets(["polyp", "mirror"])} == {"polyp", "mirror"}


def test_chosen_sets_names_the_tasks_there_are():
    with pytest.raises(InputError, match="no task fish: choose from camouflage"):
        chosen_sets(["fish"])


def test_data_list_prints_the_sets_of_a_task(run):
    listed = run("data", "list")
    assert listed.code == 0
    assert all(dataset.name in listed.out for dataset in SETS)
    assert "ECSSD" not in run("data", "list", "--task", "polyp").out


def test_data_list_long_prints_references_and_layouts(run):
    printed = run("data", "list", "--long").out
    for dataset in SETS:
        assert dataset.reference in printed
        assert all(layout in printed for layout in dataset.layouts)

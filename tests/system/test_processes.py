"""The processes that torchrun starts, from the environment that it sets."""

import pytest

from sam2unet.system import is_main_process, local_rank, local_world_size, wait_for_all_processes, world_size

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")


@pytest.fixture
def environment(monkeypatch):
    """Sets torchrun's variables, and unsets those that are not named."""

    def set_variables(**variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return set_variables


def test_one_process_without_torchrun(environment):
    environment()
    assert (world_size(), local_rank(), local_world_size(), is_main_process()) == (1, None, 1, True)
    wait_for_all_processes()


@pytest.mark.parametrize(("rank", "main"), [(0, True), (5, False)])
def test_processes_of_torchrun(rank, main, environment):
    environment(RANK=rank, WORLD_SIZE=8, LOCAL_RANK=rank % 4, LOCAL_WORLD_SIZE=4)
    assert (world_size(), local_rank(), local_world_size(), is_main_process()) == (8, rank % 4, 4, main)

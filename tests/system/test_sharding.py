"""Shards of names."""

import pytest

from sam2unet.system import Shard

NAMES = [f"folder/{i}.png" for i in range(300)] + ["\udcff.png"]  # a file name that is not UTF-8


def test_each_name_is_in_one_shard():
    shards = [Shard(index, 5) for index in range(1, 6)]
    assert [sum(shard.holds(name) for shard in shards) for name in NAMES] == [1] * len(NAMES)


def test_shards_have_similar_numbers_of_names():
    sizes = [sum(map(Shard(index, 5).holds, NAMES)) for index in range(1, 6)]
    assert all(30 < size < 90 for size in sizes)


def test_one_shard_of_one_holds_everything():
    assert all(map(Shard().holds, NAMES))


@pytest.mark.parametrize("count", [1, 3])
def test_for_this_process_divides_a_shard_between_processes(count, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    parts = []
    for index in range(1, count + 1):
        for rank in range(4):
            monkeypatch.setenv("RANK", str(rank))
            parts.append(Shard(index, count).for_this_process())
    assert sorted(part.index for part in parts) == list(range(1, 4 * count + 1))
    assert {part.count for part in parts} == {4 * count}


def test_str_is_what_the_command_takes():
    assert str(Shard(2, 3)) == "2/3"

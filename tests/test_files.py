"""Files that appear only when complete."""

import pytest

from sam2unet.files import PARTIAL, atomic_path


def test_atomic_path_creates_folders_and_the_file(tmp_path):
    with atomic_path(tmp_path / "new/folder/a.txt") as partial:
        partial.write_text("complete")
        assert not (tmp_path / "new/folder/a.txt").exists()
    assert (tmp_path / "new/folder/a.txt").read_text() == "complete"
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == ["a.txt"]


def fail_halfway(partial):
    partial.write_text("half of it")
    raise OSError("full")


def test_atomic_path_keeps_the_old_file_and_nothing_else_after_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(OSError, match="full"), atomic_path(tmp_path / "a.txt") as partial:
        fail_halfway(partial)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_atomic_path_moves_folders_too(tmp_path):
    with atomic_path(tmp_path / "run") as partial:
        partial.mkdir()
        (partial / "a.txt").write_text("complete")
    assert (tmp_path / "run/a.txt").read_text() == "complete"


def test_atomic_path_removes_an_incomplete_folder(tmp_path):
    def fill_halfway(folder):
        folder.mkdir()
        fail_halfway(folder / "a.txt")

    with pytest.raises(OSError, match="full"), atomic_path(tmp_path / "run") as partial:
        fill_halfway(partial)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "scene_0001.tar.gz", "folder", "x" * 200 + ".png"])
def test_partial_matches_the_hidden_names(name, tmp_path):
    with atomic_path(tmp_path / name) as partial:
        partial.touch()
        match = PARTIAL.fullmatch(partial.name)
    assert name.startswith(match["stem"])
    assert name.endswith(match["suffix"] or "")


@pytest.mark.parametrize("name", ["a.txt", ".bashrc", ".a.0123456.txt", "a.01234567.txt"])
def test_partial_does_not_match_other_names(name):
    assert not PARTIAL.fullmatch(name)

"""The cache of compiled networks, and the digests that are part of its keys."""

import os

import pytest

from sam2unet.runtime import compiled_cache, file_digest


def store(number, size=100):
    """Store an entry of some bytes under a number."""
    compiled_cache.store((number,), lambda folder: (folder / "file").write_bytes(bytes(size)))


def is_stored(number):
    return compiled_cache.find((number,)) is not None


def set_age(number, time):
    os.utime(compiled_cache.find((number,)), (time, time))


def test_find_returns_the_folder_that_was_stored(own_cache):
    compiled_cache.store(("a", 1), lambda folder: (folder / "file").write_text("content"))
    assert (compiled_cache.find(("a", 1)) / "file").read_text() == "content"


def test_find_returns_nothing_for_another_key(own_cache):
    store(1)
    assert not is_stored(2)
    assert not is_stored("1")


def test_store_replaces_an_entry(own_cache):
    compiled_cache.store((1,), lambda folder: (folder / "old").touch())
    compiled_cache.store((1,), lambda folder: (folder / "new").touch())
    assert [file.name for file in compiled_cache.find((1,)).iterdir()] == ["new"]


def test_store_deletes_the_entries_unused_for_longest(own_cache, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 250)
    for number in (1, 2):
        store(number)
        set_age(number, number)
    store(3)
    assert [number for number in (1, 2, 3) if is_stored(number)] == [2, 3]


def test_find_counts_as_use(own_cache, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 250)
    for number in (1, 2):
        store(number)
        set_age(number, number)
    compiled_cache.find((1,))
    store(3)
    assert [number for number in (1, 2, 3) if is_stored(number)] == [1, 3]


def test_store_keeps_a_new_entry_that_is_larger_than_the_cache(own_cache, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 50)
    store(1)
    assert is_stored(1)


def test_store_leaves_files_beside_the_entries_alone(own_cache, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 150)
    own_cache.mkdir(parents=True)
    (own_cache / ".DS_Store").write_bytes(bytes(300))
    store(1)
    assert is_stored(1)
    assert (own_cache / ".DS_Store").exists()


def test_store_warns_where_the_cache_cannot_be_written(own_cache, caplog):
    own_cache.parent.parent.write_text("a file where a folder should be")
    store(1)
    assert not is_stored(1)
    assert "the next start compiles again" in caplog.text


def test_store_leaves_nothing_if_the_writer_fails(own_cache, caplog):
    def fail(folder):
        (folder / "file").touch()
        raise OSError("disk full")

    compiled_cache.store((1,), fail)
    assert not list(own_cache.iterdir())
    assert "disk full" in caplog.text


@pytest.mark.parametrize("xdg", ["", "/somewhere"])
def test_cache_folder_follows_xdg_or_the_home_folder(xdg, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = f"{xdg or tmp_path / '.cache'}/sam2unet/compiled"
    assert str(compiled_cache.cache_folder()) == expected


def test_file_digest_depends_on_every_block_and_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_cache, "BLOCK", 10)
    digests = set()
    for content in (b"", b"a" * 10, b"a" * 20, b"a" * 19 + b"b", b"b" + b"a" * 19, b"a" * 25):
        (tmp_path / "file").write_bytes(content)
        digests.add(file_digest(tmp_path / "file"))
    assert len(digests) == 6


def test_file_digest_does_not_depend_on_the_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")

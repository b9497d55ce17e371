"""The operating system's files are no data."""

from sam2unet.data import walk
from sam2unet.data.layout.walk import is_document


def test_walk_skips_system_files(tmp_path):
    for name in (
        "a.jpg", "b/c.png", ".hidden/a.jpg", "@eaDir/a.jpg", "__MACOSX/a.jpg", ".AppleDouble/a.jpg",
        "$RECYCLE.BIN/a.jpg", "System Volume Information/a.jpg", "lost+found/a.jpg",
        "Thumbs.db", "desktop.ini", "._a.jpg", ".DS_Store",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [*walk(tmp_path)] == [tmp_path / "a.jpg", tmp_path / "b/c.png"]


def test_is_document_recognises_what_lies_beside_data(tmp_path):
    documents = ("README.md", "readme.txt", "LICENSE", "classes.txt", "labels.csv", "data.yaml", "requirements.txt")
    assert all(is_document(tmp_path / name) for name in documents)
    assert not any(
        is_document(tmp_path / name) for name in ("a.json", "a.txt", "a.heic", "a.zip", "licensed.json", "a")
    )

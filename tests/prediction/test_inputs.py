"""Which images files, folders and glob patterns name, under which names, and which collide."""

import pytest
from PIL import Image

from sam2unet.errors import InputError
from sam2unet.prediction import find_inputs
from sam2unet.prediction.inputs import STDIN
from sam2unet.system import Shard


@pytest.fixture
def place(tmp_path):
    """Writes small images and returns the folder."""

    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 3)).save(tmp_path / name)
        return tmp_path

    return write


def test_find_inputs_takes_files_folders_globs_and_standard_input(place):
    root = place("in/images/a.png", "in/masks/a.png", "in/images/sub/b.JPG", "other/c.tif", "one.png")
    found = find_inputs([root / "in", root / "oth*/*.tif", root / "one.png", "-"], root / "out")
    assert found.images == {
        "a": root / "in/images/a.png", "sub/b": root / "in/images/sub/b.JPG", "other/c": root / "other/c.tif",
        "one": root / "one.png", "stdin": STDIN,
    }  # fmt: skip
    assert not found.failed


def test_find_inputs_names_what_globs_match_below_their_first_wildcard(place, monkeypatch):
    root = place("images/a.png", "other/a.png")
    monkeypatch.chdir(root)
    (root / "x.png").mkdir()
    assert find_inputs(["**/*.png"], root / "out").images.keys() == {"images/a", "other/a"}
    assert find_inputs([root / "images/*"], root / "out").images.keys() == {"a"}
    assert find_inputs(["*/../images/a.png"], root / "out").images.keys() == {"a"}


def test_find_inputs_keeps_the_exact_names_of_folders(place):
    folders = ("2024-05-01", "2024_05_01", "scanA.v2", "Patient.01 left", "train_images", "mask off", "im-01")
    root = place(*(f"in/{folder}/1.png" for folder in folders))
    assert find_inputs([root / "in"], root / "out").images.keys() == {f"{folder}/1" for folder in folders}


def test_find_inputs_takes_no_mask_of_an_image(place):
    root = place("in/a.png", "in/a_mask.png", "in/a_mask_1.png", "in/b.png", "in/b_1stHO.png", "in/b_2ndHO.png")
    assert find_inputs([root / "in"], root / "out").images.keys() == {"a", "b"}


def test_find_inputs_takes_a_file_that_is_named_twice_once(place, monkeypatch):
    root = place("images/a.png")
    monkeypatch.chdir(root)
    found = find_inputs(["images/a.png", root / "images/a.png"], root / "out")
    assert len(found.images) == 1
    assert not found.failed


def test_find_inputs_takes_a_file_under_two_names_twice(place):
    root = place("in/sub/c.tif", "in/a.png")
    assert find_inputs([root / "in", root / "in/sub/c.tif"], root / "out").images.keys() == {"a", "sub/c", "c"}


@pytest.mark.parametrize("given", ["nowhere", "empty", "*.nothing"])
def test_find_inputs_refuses_what_holds_no_image(given, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image found") as caught:
        find_inputs([tmp_path / given], tmp_path / "out")
    assert str(tmp_path / given) in str(caught.value)


def test_find_inputs_refuses_the_output_folder(place):
    root = place("in/a.png")
    with pytest.raises(InputError, match="holds the images") as caught:
        find_inputs([root / "in"], root / "in")
    assert caught.value.parameters == ("out",)


@pytest.mark.parametrize("pattern", ["in", "in/**/*.png"])
def test_find_inputs_leaves_out_an_output_folder_inside_a_folder(pattern, place):
    root = place("in/images/a.png", "in/images/found/a.png", "in/images/found/overlays/a.png")
    found = find_inputs([root / pattern], root / "in/images/found")
    assert list(found.images.values()) == [root / "in/images/a.png"]


def test_find_inputs_notes_images_that_lie_in_the_output_folder(place):
    root = place("out/a.png", "out/overlays/b.png", "in/c.png")
    found = find_inputs([root / "out/a.png", root / "out/overlays/b.png", root / "in"], root / "out")
    assert found.in_output_folder == {root / "out/a.png", root / "out/overlays/b.png"}


def test_find_inputs_leaves_out_images_of_one_name_and_names_them(place):
    root = place("in/a.png", "in/a.bmp", "other/b.png", "in/b.png", "in/c.png")
    found = find_inputs([root / "in", root / "other/b.png"], root / "out")
    assert found.images.keys() == {"c"}
    same_folder, by_name = sorted(map(str, found.failed), key=lambda message: "b.png" in message)
    assert all(str(root / "in" / name) in same_folder for name in ("a.png", "a.bmp"))
    assert f"{root / 'in/b.png'} and {root / 'other/b.png'} would both be written as b.png" in by_name


def test_find_inputs_notes_names_that_a_frame_could_have(place):
    root = place("in/film/0001.png", "in/film/b.png", "in/0002.png")
    assert find_inputs([root / "in"], root / "out").named_like_frames == {"film/0001": root / "in/film/0001.png"}


def test_shards_take_each_image_once_whatever_is_added(tmp_path):
    def names(shard):
        return set(find_inputs([tmp_path], tmp_path / "out", shard).images)

    for i in range(300):
        (tmp_path / f"{i}.png").touch()
    before = [names(Shard(k, 5)) for k in range(1, 6)]
    assert sorted(name for shard in before for name in shard) == sorted(str(i) for i in range(300))
    assert all(30 < len(shard) < 90 for shard in before)
    for i in range(300, 400):
        (tmp_path / f"{i}.png").touch()
    after = [names(Shard(k, 5)) for k in range(1, 6)]
    assert all(old <= new for old, new in zip(before, after, strict=True))
    assert sum(map(len, after)) == 400


def test_shards_name_collisions_within_a_folder_once(place):
    root = place("in/a.png", "in/twin.png", "in/twin.jpg")
    failed = [len(find_inputs([root / "in"], root / "out", Shard(k, 3)).failed) for k in (1, 2, 3)]
    assert failed == [1, 0, 0]

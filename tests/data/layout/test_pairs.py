"""Images and masks are paired by name, in the layouts that people have."""

import json

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, Page, Pair, find_pairs
from sam2unet.errors import InputError

from ..folders import write_images

LAYOUTS = {
    "plain": ["images/a.jpg", "masks/a.png"],
    "upper case": ["Images/a.JPG", "Masks/a.PNG"],
    "camo": ["Imgs/a.jpg", "GT/a.png"],
    "duts": ["DUTS-TR/DUTS-TR-Image/a.jpg", "DUTS-TR/DUTS-TR-Mask/a.png"],
    "clinicdb": ["Original/a.tif", "Ground Truth/a.tif"],
    "labels": ["im/a.jpg", "labels/a.png"],
    "isic": ["images/a.jpg", "masks/a_segmentation.png"],
    "carvana": ["train_images/a.jpg", "train_masks/a_mask.gif"],
    "one folder": ["a.jpg", "a_mask.png"],
    "one folder, gt first": ["a.jpg", "GT-a.png"],
    "deepglobe": ["a_image.jpg", "a_mask.png"],
    "nested": ["images/p1/a.jpg", "masks/p1/a.png"],
    "set in roles": ["images/train/a.jpg", "masks/train/a.png"],
    "role in sets": ["train/images/a.jpg", "train/masks/a.png"],
    "cod10k": ["Train/Image/a.jpg", "Train/GT_Object/a.png"],
    "camel case": ["trainImages/a.jpg", "trainMasks/a.png"],
    "voc": ["JPEGImages/a.jpg", "SegmentationClass/a.png"],
    "nnunet": ["imagesTr/a.jpg", "labelsTr/a.png"],
    "mmsegmentation": ["img_dir/train/a.jpg", "ann_dir/train/a.png"],
    "below a name like a set": ["Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.png"],
    "dots": ["images/a.b.c.jpg", "masks/a.b.c.png"],
    "a gas mask": ["images/gas_mask.jpg", "masks/gas_mask.png"],
    "unicode": ["images/fünf 1.jpg", "masks/fünf 1.png"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_find_pairs_understands_each_layout(layout, tmp_path):
    image, mask = LAYOUTS[layout]
    # The same names in two patients' folders: names alone would not do.
    roots = [tmp_path / "p1", tmp_path / "p2"]
    for root in roots:
        write_images(root, image, mask, ".hidden.png")
    listing = find_pairs(tmp_path)
    pairs = {(pair.image, pair.mask) for pairs in listing.pairs.values() for pair in pairs}
    assert pairs == {(root / image, root / mask) for root in roots}
    assert not listing.unpaired_images
    assert not listing.unpaired_masks


@pytest.mark.parametrize(
    ("image", "mask"),
    [("Images/Train/a.jpg", "GT/a.png"), ("images/a.jpg", "binary_masks/a.png"), ("images/a.jpg", "GT_Instance/a.png"),
     ("imgs/p1/a.jpg", "gt/a.png")],
)  # fmt: skip
def test_find_pairs_accepts_other_folders_if_the_name_is_unique(image, mask, tmp_path):
    (pairs,) = find_pairs(write_images(tmp_path, image, mask)).pairs.values()
    assert [(pair.image, pair.mask) for pair in pairs] == [(tmp_path / image, tmp_path / mask)]


def test_find_pairs_does_not_pair_leftovers_of_different_folders(tmp_path):
    write_images(tmp_path, *(f"p{p}/{kind}/{i}.png" for p in (1, 2) for kind in ("images", "masks") for i in (1, 2)))
    write_images(tmp_path, "p1/images/3.png", "p2/masks/3.png")
    listing = find_pairs(tmp_path)
    assert listing.unpaired_images[""] == [tmp_path / "p1/images/3.png"]
    assert listing.unpaired_masks[""] == [tmp_path / "p2/masks/3.png"]
    assert {pair.image.parts[-3] == pair.mask.parts[-3] for pair in listing.pairs[""]} == {True}


@pytest.mark.parametrize(
    ("train", "test"),
    [("TrainDataset", "TestDataset/CVC"), ("train2017", "test2017"), ("DUTS-TR", "DUTS-TE"), ("Training", "testing")],
)
def test_find_pairs_separates_splits_by_folder(train, test, tmp_path):
    write_images(tmp_path, *(f"{split}/{kind}/a.png" for split in (train, test) for kind in ("images", "masks")))
    pairs = find_pairs(tmp_path).pairs
    assert {split: [pair.image for pair in pairs] for split, pairs in pairs.items()} == {
        "train": [tmp_path / train / "images/a.png"],
        "test": [tmp_path / test / "images/a.png"],
    }


def test_find_pairs_takes_no_patients_initials_for_a_split(tmp_path):
    assert list(find_pairs(write_images(tmp_path, "images/TS-01/a.png", "masks/TS-01/a.png")).pairs) == [""]


def test_find_pairs_takes_no_file_name_for_a_split(tmp_path):
    write_images(tmp_path, "scan_test_1.jpg")
    (tmp_path / "scan_test_1.json").write_text(json.dumps({"shapes": [], "imageHeight": 20, "imageWidth": 30}))
    assert len(find_pairs(tmp_path).pairs[""]) == 1


def test_find_pairs_gives_no_mask_to_two_splits(tmp_path):
    write_images(tmp_path, "images/train/1.jpg", "images/test/1.jpg", "masks/1.png")
    with pytest.raises(InputError, match="have the same name"):
        find_pairs(tmp_path)


def test_find_pairs_shares_masks_of_no_split_between_splits(tmp_path):
    names = "images/train/1.jpg", "images/test/2.jpg", "masks/1.png", "masks/2.png", "masks/3.png"
    listing = find_pairs(write_images(tmp_path, *names))
    masks = {split: [pair.mask for pair in pairs] for split, pairs in listing.pairs.items()}
    assert masks == {"train": [tmp_path / "masks/1.png"], "test": [tmp_path / "masks/2.png"]}
    assert listing.unpaired_masks == {"": [tmp_path / "masks/3.png"]}


def test_find_pairs_lists_unpaired_files(tmp_path):
    names = *(f"images/{n}.jpg" for n in "abcd"), *(f"masks/{n}.png" for n in "dca"), "masks/x.png"
    listing = find_pairs(write_images(tmp_path, *names))
    assert {(p.image.stem, p.mask.stem) for p in listing.pairs[""]} == {("a", "a"), ("c", "c"), ("d", "d")}
    assert listing.unpaired_images[""] == [tmp_path / "images/b.jpg"]
    assert listing.unpaired_masks[""] == [tmp_path / "masks/x.png"]


@pytest.mark.parametrize(
    "names",
    [["images/a.jpg", "images/a.png", "masks/a.png"], ["images/a.jpg", "masks/a.png", "masks/a.bmp"]],
)  # fmt: skip
def test_find_pairs_names_files_of_one_name(names, tmp_path):
    with pytest.raises(InputError, match="have the same name") as error:
        find_pairs(write_images(tmp_path, *names))
    assert sum(str(tmp_path / name) in str(error.value) for name in names) >= 2


def test_find_pairs_follows_links(tmp_path):
    write_images(tmp_path / "real", "images/a.jpg", "masks/a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "real")
    assert len(find_pairs(tmp_path / "data").pairs[""]) == 1


def test_find_pairs_accounts_for_every_file(tmp_path):
    names = (
        "images/a.jpg", "masks/a.png", "images/b.jpg", "masks/c.png", "Edge/a.png", "@eaDir/a.jpg", "__MACOSX/a.jpg",
    )  # fmt: skip
    write_images(tmp_path, *names)
    for name in ("README.md", "data.yaml", "x.zip", "photo.NEF", "log.json", "images/Thumbs.db", "._a.jpg"):
        (tmp_path / name).write_text("{}")
    listing = find_pairs(tmp_path)
    unread = {path.name for files in listing.unread.values() for path in files}
    assert unread == {"a.png", "x.zip", "photo.NEF", "log.json"}
    assert {pair.image.name for pair in listing.pairs[""]} == {"a.jpg"}
    assert (listing.unpaired_images[""], listing.unpaired_masks[""]) == (
        [tmp_path / "images/b.jpg"],
        [tmp_path / "masks/c.png"],
    )


def test_find_pairs_says_which_files_it_cannot_read_where_it_finds_nothing(tmp_path):
    (tmp_path / "a.NEF").write_text("")
    with pytest.raises(InputError, match=r"a\.NEF: not images that can be read here \(no reader for \.nef"):
        find_pairs(tmp_path)


def test_find_pairs_reads_a_list_of_pairs(tmp_path):
    write_images(tmp_path, "x/a.jpg", "y/b.png", "x/c.jpg", "d.png")
    (tmp_path / "list.csv").write_text("image,mask,split\nx/a.jpg,y/b.png,test\nx/c.jpg,,\n")
    listing = find_pairs(tmp_path, DataOptions(pairs=tmp_path / "list.csv"))
    assert listing.pairs == {"test": [Pair("x/a", tmp_path / "x/a.jpg", tmp_path / "y/b.png")]}
    assert listing.unpaired_images == {"": [tmp_path / "x/c.jpg"]}
    assert listing.unread == {"not listed in list.csv": [tmp_path / "d.png"]}


@pytest.mark.parametrize(
    ("image", "mask"),
    [("IMG_1.JPG", "img_1.png"), ("a .jpg", "a.png"), ("cafe\u0301.jpg", "caf\u00e9.png")],
)
def test_find_pairs_tells_of_names_that_are_almost_equal(image, mask, tmp_path):
    listing = find_pairs(write_images(tmp_path, f"images/{image}", f"masks/{mask}"))
    assert len(listing.pairs[""]) == 1
    assert image in listing.remarks[0]


def test_find_pairs_prefers_equal_names_to_almost_equal_ones(tmp_path):
    write_images(tmp_path, "images/a.jpg", "images/A.jpg", "masks/a.png", "masks/A.png")
    listing = find_pairs(tmp_path)
    assert {(pair.image.stem, pair.mask.stem) for pair in listing.pairs[""]} == {("a", "a"), ("A", "A")}
    assert not listing.remarks


def test_find_pairs_keeps_the_exact_names_of_folders(tmp_path):
    folders = ("2024-05-01", "2024_05_01", "scanA.v2", "Patient.01 left", "im-01", "mask off")
    write_images(tmp_path, *(f"{folder}/{kind}/1.png" for folder in folders for kind in ("images", "masks")))
    assert {pair.key for pair in find_pairs(tmp_path).pairs[""]} == {f"{folder}/1" for folder in folders}


def test_find_pairs_removes_no_words_from_a_key_that_would_be_anothers(tmp_path):
    write_images(tmp_path, "images/1.png", "masks/1.png", "1.png", "1_mask.png")
    assert {pair.key for pair in find_pairs(tmp_path).pairs[""]} == {"images/1", "1"}


def write_stack(path, pages):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = (Image.new("L", (4, 3), i) for i in range(pages))
    first.save(path, save_all=True, append_images=others)


def test_find_pairs_pairs_the_pages_of_stacks(tmp_path):
    write_stack(tmp_path / "images/s.tif", 2)
    write_stack(tmp_path / "masks/s.tif", 2)
    pages = [(Page(tmp_path / "images/s.tif", i), Page(tmp_path / "masks/s.tif", i)) for i in range(2)]
    assert find_pairs(tmp_path).pairs[""] == [Pair(f"s/{i:04}", *sources) for i, sources in enumerate(pages)]


@pytest.mark.parametrize("names", [["s/0000.png", "s/0001.png"], ["s_1.png", "s_2.png"], ["s_9.png", "s_10.png"]])
def test_find_pairs_pairs_the_pages_of_a_stack_with_numbered_files(names, tmp_path):
    write_stack(tmp_path / "images/s.tif", 2)
    write_images(tmp_path, *(f"masks/{name}" for name in names))
    listing = find_pairs(tmp_path)
    assert [pair.mask for pair in listing.pairs[""]] == [tmp_path / f"masks/{name}" for name in names]
    assert not listing.remarks


def test_find_pairs_refuses_stacks_of_different_lengths(tmp_path):
    write_stack(tmp_path / "images/s.tif", 3)
    write_stack(tmp_path / "masks/s.tif", 2)
    with pytest.raises(InputError, match=r"images/s\.tif has 3 pages, but its mask .*masks/s\.tif has 2"):
        find_pairs(tmp_path)


def test_find_pairs_counts_arrays_that_should_be_images(tmp_path):
    write_images(tmp_path, "images/a.npy", "masks/a.npy", "photos/b.jpg")
    ((reason, files),) = find_pairs(tmp_path).unread.items()
    assert reason.startswith("arrays in a folder of images")
    assert files == [tmp_path / "images/a.npy"]


def test_find_pairs_takes_arrays_beside_images_for_masks(tmp_path):
    pairs = find_pairs(
        write_images(tmp_path, "images/a.png", "images/a.npy", "images/b.png", "images/b_mask.npy")
    ).pairs
    assert {pair.mask.name for pair in pairs[""]} == {"a.npy", "b_mask.npy"}


def test_find_pairs_refuses_volumes_that_are_oriented_differently(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="the extra medical is not installed")
    for folder, first in (("images", 1), ("masks", -1)):
        (tmp_path / folder).mkdir()
        volume = nibabel.Nifti1Image(np.zeros((4, 5, 3), np.uint8), np.diag([first, 1, 1, 1]))
        nibabel.save(volume, tmp_path / folder / "a.nii")
    with pytest.raises(
        InputError, match=r"images/a\.nii and its .*masks/a\.nii are oriented differently \(RAS and LAS\)"
    ):
        find_pairs(tmp_path)

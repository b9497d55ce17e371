"""Training images that also occur in a test set are found."""

from PIL import Image

from sam2unet.benchmark import find_sets, shared_images

from .sets import SETS, write_pairs


def test_shared_images_finds_scaled_and_compressed_copies(tmp_path):
    write_pairs(tmp_path, "TestDataset/CAMO/Imgs/*.jpg | TestDataset/CAMO/GT/*.png", 4)
    write_pairs(tmp_path, "TrainDataset/Imgs/*.jpg | TrainDataset/GT/*.png", 5, start=10)
    write_pairs(tmp_path, "DUTS-TE/Image/*.jpg | DUTS-TE/Mask/*.png", 3, start=20)
    copy = Image.open(tmp_path / "TestDataset/CAMO/Imgs/002.jpg").resize((171, 131))
    copy.save(tmp_path / "TrainDataset/Imgs/012.jpg", quality=70)
    scan = find_sets(tmp_path, SETS)
    assert len(scan.joint_train) == 5
    ((names, found),) = shared_images(scan).items()
    assert names == ("training images", "CAMO")
    assert [(train.name, test.name) for train, test in found] == [("012.jpg", "002.jpg")]


def test_shared_images_ignores_flat_and_broken_images(tmp_path):
    write_pairs(tmp_path, "TestDataset/CAMO/Imgs/*.png | TestDataset/CAMO/GT/*.png", 2)
    write_pairs(tmp_path, "TrainDataset/Imgs/*.png | TrainDataset/GT/*.png", 3, start=10)
    for path in ("TestDataset/CAMO/Imgs/000.png", "TrainDataset/Imgs/010.png"):
        Image.new("RGB", (50, 50), (9, 9, 9)).save(tmp_path / path)
    for path in ("TestDataset/CAMO/Imgs/001.png", "TrainDataset/Imgs/011.png"):
        (tmp_path / path).write_bytes(b"")
    assert not shared_images(find_sets(tmp_path, SETS))

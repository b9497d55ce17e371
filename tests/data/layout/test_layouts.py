"""Images and masks are paired in the layouts of well-known data sets, and asked about where two are possible."""

import pytest

from sam2unet.data import DataOptions, MaskParts, find_images, find_masks, find_pairs
from sam2unet.errors import InputError

from ..folders import write_images
from .photo import write_photo

ONE_CLASS, TWENTY = DataOptions(), DataOptions(classes=20)
IDS = ("1", "2")
LAYOUTS = {
    "ISIC 2018": ("ISIC2018_Task1-2_Training_Input/ISIC_{}.jpg",
                  "ISIC2018_Task1_Training_GroundTruth/ISIC_{}_segmentation.png"),
    "ISIC 2016": ("ISBI2016_ISIC_Part1_Training_Data/ISIC_{}.jpg",
                  "ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_{}_Segmentation.png"),
    "HAM10000": ("HAM10000_images_part_{0}/ISIC_{0}.jpg",
                 "HAM10000_segmentations_lesion_tschandl/ISIC_{}_segmentation.png"),
    "Carvana": ("train/{}.jpg", "train_masks/{}_mask.gif"),
    "LoveDA": ("Train/Urban/images_png/{}.png", "Train/Urban/masks_png/{}.png"),
    "GlaS": ("Warwick QU Dataset/testA_{}.bmp", "Warwick QU Dataset/testA_{}_anno.bmp"),
    "MoNuSeg": ("Tissue Images/TCGA-{}.tif", "Binary_masks/TCGA-{}_bin_mask.png"),
    "CHASE_DB1, one observer": ("Image_0{}L.jpg", "Image_0{}L_1stHO.png"),
    "CrackForest": ("Images/{}.jpg", "Masks/{}_label.PNG"),
    "MVTec": ("bottle/test/crack/00{}.png", "bottle/ground_truth/crack/00{}_mask.png"),
    "ADE20K": ("images/training/{}.jpg", "annotations/training/{}.png"),
    "VOC": ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    "CamVid": ("images/{}.png", "labels/{}_L.png"),
    "CamVid of Kaggle": ("train/{}.png", "train_labels/{}_L.png"),
    "CamVid of SegNet": ("train/{}.png", "trainannot/{}.png"),
    "nnU-Net": ("imagesTr/case_{}_0000.png", "labelsTr/case_{}.png"),
    "DRIVE without field of view": ("training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif"),
    "STARE, one observer": ("stare-images/im000{}.ppm", "labels-ah/im000{}.ah.ppm"),
    "a folder for each sample": ("s{}/image.png", "s{}/mask.png"),
    "numbered words": ("images/image{}.png", "masks/mask{}.png"),
    "camel case": ("{}a.jpg", "{}aMask.png"),
    "one more folder": ("images/img/{}.jpg", "masks/img/{}.png"),
    "names with the image's suffix": ("images/{}.jpg", "masks/{}.jpg.png"),
    "raw": ("raw/p1/{}.png", "label/p1/{}.png"),
    "masks among the images": ("images/{}.jpg", "images/{}_mask.png"),
    "KITTI road": ("training/image_2/um_00{}.png", "training/gt_image_2/um_road_00{}.png"),
    "REFUGE": ("Training400/Glaucoma/g{}.jpg", "Annotation-Training400/Disc_Cup_Masks/Glaucoma/g{}.bmp"),
    "BDD100K": ("images/10k/train/{}.jpg", "labels/sem_seg/masks/train/{}.png"),
    "a title with a word": ("Lung Segmentation/CXR_png/{}.png", "Lung Segmentation/masks/{}_mask.png"),
    "CAMO": ("CAMO/Images/Train/{}.jpg", "CAMO/GT/{}.png"),
    "a folder of everything": ("set/photos/{}.jpg", "set/masks/{}.png"),
    "photographs and masks in one folder": ("{}.jpg", "{}.png"),
    "arrays": ("{}.jpg", "{}_mask.npy"),
}  # fmt: skip


@pytest.mark.parametrize("ids", [IDS, ("1",)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_find_pairs_understands_the_layout_of(layout, ids, tmp_path):
    expected = {tuple(tmp_path / name.format(i) for name in LAYOUTS[layout]) for i in ids}
    write_images(tmp_path, *(str(path.relative_to(tmp_path)) for pair in expected for path in pair))
    listing = find_pairs(tmp_path)
    assert {(pair.image, pair.mask) for pairs in listing.pairs.values() for pair in pairs} == expected
    assert not any((*listing.unpaired_images.values(), *listing.unpaired_masks.values(), *listing.unread.values()))
    assert {*find_images(tmp_path).values()} == {image for image, _ in expected}


def test_find_pairs_compares_what_the_names_in_a_folder_do_not_have_in_common(tmp_path):
    write_images(tmp_path, *(f"{name}_0{i}.png" for name in ("frames/frame", "masks/mask") for i in IDS))
    pairs = find_pairs(tmp_path).pairs[""]
    assert {(p.image.stem, p.mask.stem) for p in pairs} == {(f"frame_0{i}", f"mask_0{i}") for i in IDS}


def test_find_pairs_takes_numbered_frames_for_no_channels(tmp_path):
    names = [f"{folder}/scene_000{i}.png" for folder in ("images", "masks") for i in range(3)]
    assert len(find_pairs(write_images(tmp_path, *names, "images/scene_0009.png")).pairs[""]) == 3


def test_find_pairs_takes_no_masks_of_images_with_other_names(tmp_path):
    write_images(tmp_path, *(f"{name}_{i}.png" for name in ("images/scanA", "masks/scanB") for i in IDS))
    assert not find_pairs(tmp_path).pairs


@pytest.mark.parametrize(
    ("image", "mask"),
    [("ETIS/ETIS/{}.tif", "ETIS/Ground Truth/p{}.tif"), ("01/t00{}.tif", "01_GT/SEG/man_seg00{}.tif"),
     ("images/img{}.png", "masks/lbl{}.png"), ("images/{}.png", "masks/00{}.png")],
)  # fmt: skip
def test_find_pairs_matches_numbers_if_one_name_is_nothing_else_and_says_so(image, mask, tmp_path):
    write_images(tmp_path, *(name.format(i) for name in (image, mask) for i in IDS))
    listing = find_pairs(tmp_path)
    assert {(p.image, p.mask) for p in listing.pairs[""]} == {
        (tmp_path / image.format(i), tmp_path / mask.format(i)) for i in IDS
    }
    assert listing.remarks == [f"2 pairs have only a number in common, such as {image.format(1)} and {mask.format(1)}"]
    assert {*find_images(tmp_path).values()} == {tmp_path / image.format(i) for i in IDS}


BESIDE = {
    "RGB-D": (["Imgs/{}.jpg", "GT/{}.png", "Edge/{}.png", "Depth/{}.png"], ONE_CLASS),
    "RGB-T": (["RGB/{}.jpg", "GT/{}.png", "T/{}.jpg"], ONE_CLASS),
    "COD10K": (["Image/{}.jpg", "GT_Object/{}.png", "GT_Instance/{}.png", "GT_Edge/{}.png"], ONE_CLASS),
    "VOC": (["JPEGImages/{}.jpg", "SegmentationClass/{}.png", "SegmentationObject/{}.png"], ONE_CLASS),
    "overlays": (["images/{}.jpg", "masks/{}.png", "overlays/{}.png"], ONE_CLASS),
    "a depth map beside": (["{}.jpg", "{}_mask.png", "{}_depth.png"], ONE_CLASS),
    "two thermal cameras": (["thermal/images/{}.jpg", "thermal/masks/{}.png", "thermal/edges/{}.png"], ONE_CLASS),
    "Cityscapes": (["leftImg8bit/train/aachen/a_{}_leftImg8bit.png", "gtFine/train/aachen/a_{}_gtFine_labelIds.png",
                    "gtFine/train/aachen/a_{}_gtFine_color.png", "gtFine/train/aachen/a_{}_gtFine_instanceIds.png"],
                   TWENTY),
    "labelme2voc": (["JPEGImages/{}.jpg", "SegmentationClass/{}.png", "SegmentationClassNpy/{}.npy",
                     "SegmentationClassVisualization/{}.jpg"], ONE_CLASS),
    "labelme_json_to_dataset": (["{}_json/img.png", "{}_json/label.png", "{}_json/label_viz.png"], ONE_CLASS),
    "iSAID": (["images/P{}.png", "Semantic_masks/images/P{}_instance_color_RGB.png",
               "Instance_masks/images/P{}_instance_id_RGB.png"], ONE_CLASS),
    "ISIC 2017": (["Data/{}.jpg", "Part1_GroundTruth/{}_segmentation.png", "Data/{}_superpixels.png"], ONE_CLASS),
    "CVAT beside images": (["images/{}.jpg", "export/SegmentationClass/{}.png", "export/SegmentationObject/{}.png"],
                           ONE_CLASS),
    "ScanNet": (["scene/color/{}.jpg", "scene/label/{}.png", "scene/depth/{}.png"], ONE_CLASS),
    "Mapillary": (["training/images/{}.jpg", "training/v2/labels/{}.png", "training/v2/panoptic/{}.png"], ONE_CLASS),
    "Oxford pets": (["images/{}.jpg", "annotations/trimaps/{}.png"], ONE_CLASS),
    "a second channel": (["imagesTr/{}_0000.png", "labelsTr/{}.png", "imagesTr/{}_0001.png"], ONE_CLASS),
}  # fmt: skip


@pytest.mark.parametrize("layout", BESIDE)
def test_find_pairs_counts_what_lies_beside_the_masks_of(layout, tmp_path):
    (image, mask, *others), options = BESIDE[layout]
    write_images(tmp_path, *(name.format(i) for name in (image, mask, *others) for i in IDS))
    listing = find_pairs(tmp_path, options)
    (pairs,) = listing.pairs.values()
    assert {(pair.image, pair.mask) for pair in pairs} == {
        (tmp_path / image.format(i), tmp_path / mask.format(i)) for i in IDS
    }
    unread = {path for files in listing.unread.values() for path in files}
    assert unread == {tmp_path / name.format(i) for name in others for i in IDS}
    if layout != "RGB-T":  # T is no word
        assert {*find_images(tmp_path).values()} == {tmp_path / image.format(i) for i in IDS}
    assert not any((*listing.unpaired_images.values(), *listing.unpaired_masks.values()))


@pytest.mark.parametrize("folder", ["thermal", "colour", "depth"])
def test_find_pairs_takes_any_folder_for_images_if_there_are_no_others(folder, tmp_path):
    (pair,) = find_pairs(write_images(tmp_path, f"{folder}/a.png", "masks/a.png")).pairs[""]
    assert pair.image == tmp_path / folder / "a.png"


def test_find_pairs_takes_edges_for_no_masks(tmp_path):
    listing = find_pairs(write_images(tmp_path, "images/a.jpg", "Edge/a.png"))
    assert not listing.pairs
    assert [path for files in listing.unread.values() for path in files] == [tmp_path / "Edge/a.png"]


QUESTIONS = {
    "DRIVE": (["{}/images/{}_training.tif", "{}/1st_manual/{}_manual1.gif", "{}/mask/{}_training_mask.gif"],
              ["1st_manual/*", "mask/*"]),
    "HRF": (["{}/images/{}_dr.JPG", "{}/manual1/{}_dr.tif", "{}/mask/{}_dr_mask.tif"], ["manual1/*", "mask/*"]),
    "CHASE_DB1": (["{}/Image_{}L.jpg", "{}/Image_{}L_1stHO.png", "{}/Image_{}L_2ndHO.png"],
                  ["*_1stHO.png", "*_2ndHO.png"]),
    "STARE": (["{}/stare-images/im{}.ppm", "{}/labels-ah/im{}.ah.ppm", "{}/labels-vk/im{}.vk.ppm"],
              ["labels-ah/*", "labels-vk/*"]),
    "two words": (["{}/images/{}.jpg", "{}/masks/{}.png", "{}/GT/{}.png"], ["masks/*", "GT/*"]),
    "two words in names": (["{}/{}.jpg", "{}/{}_mask.png", "{}/{}_gt.png"], ["*_mask.png", "*_gt.png"]),
    "words first": (["{}/{}.jpg", "{}/mask_{}.png", "{}/gt_{}.png"], ["mask_*.png", "gt_*.png"]),
    "two observers in one folder": (["{}/images/{}.jpg", "{}/masks/{}_expert1.png", "{}/masks/{}_expert2.png"],
                                    ["*_expert1.png", "*_expert2.png"]),
    "Segments.ai": (["{}/{}.jpg", "{}/{}_label_ground-truth.png", "{}/{}_label_ground-truth_semantic.png"],
                    ["*_label_ground-truth.png", "*_label_ground-truth_semantic.png"]),
    "a split in the middle": (["{0}/images/{1}.jpg", "{0}/my_{0}_masks/{1}.png", "{0}/my_{0}_labels/{1}.png"],
                              ["my_*_masks/*", "my_*_labels/*"]),
    "a folder without a word": (["{}/images/{}.jpg", "{}/mask/{}.png", "{}/vessels/{}.png"], ["mask/*", "vessels/*"]),
}  # fmt: skip


@pytest.mark.parametrize("layout", QUESTIONS)
def test_find_pairs_asks_which_masks_to_take_from(layout, tmp_path):
    (image, *masks), patterns = QUESTIONS[layout]
    write_images(
        tmp_path, *(name.format(split, i) for name in (image, *masks) for split in ("training", "test") for i in IDS)
    )
    for find in (find_pairs, find_masks):
        with pytest.raises(InputError) as caught:
            find(tmp_path)
        assert caught.value.parameters == ("masks",)
        assert all(repr(pattern) in str(caught.value) for pattern in patterns)
    for mask, pattern in zip(masks, patterns, strict=True):
        listing = find_pairs(tmp_path, DataOptions(masks=pattern))
        assert {(pair.image, pair.mask) for pairs in listing.pairs.values() for pair in pairs} == {
            tuple(tmp_path / name.format(split, i) for name in (image, mask))
            for split in ("training", "test")
            for i in IDS
        }
    assert {*find_images(tmp_path).values()} >= {
        tmp_path / image.format(s, i) for s in ("training", "test") for i in IDS
    }


def test_find_pairs_asks_about_two_masks_of_which_one_has_no_word(tmp_path):
    with pytest.raises(InputError, match=r"masks/a\.png, masks/a_mask\.png: rename or remove all but one"):
        find_pairs(write_images(tmp_path, "images/a.jpg", "masks/a.png", "masks/a_mask.png"))


@pytest.mark.parametrize(
    ("image", "mask", "pattern"),
    [("photos/{}.jpg", "vessels/{}.png", "vessels/*"), ("raw/{}.jpg", "vessels/{}.png", "vessels/*"),
     ("x_train/{}.jpg", "y_train/{}.png", "y*/*"), ("{}.jpg", "{}_vessel.png", "*_vessel.png"),
     ("{}.jpg", "p{}.tif", "p*.tif"),
     ("set/train/sat/{}.jpg", "set/train/map/{}.png", "map/*"),
     ("full/raw/{}.jpg", "full/approved/{}_L.png", "approved/*"),
     ("p{0}/p{0}_flair.bmp", "p{0}/p{0}_lesion.bmp", None),
     ("s/{0}_photo/{0}.bmp", "s/{0}_lesion/{0}_lesion.bmp", None)],
)  # fmt: skip
def test_find_pairs_asks_whether_files_without_a_word_are_masks(image, mask, pattern, tmp_path):
    write_images(tmp_path, *(name.format(i) for name in (image, mask) for i in IDS))
    if pattern:
        with pytest.raises(InputError) as caught:
            find_pairs(tmp_path)
        assert caught.value.parameters == ("masks",)
        assert repr(pattern) in str(caught.value)
    (pairs,) = find_pairs(tmp_path, DataOptions(masks=pattern or "*_lesion.bmp")).pairs.values()
    assert {(p.image, p.mask) for p in pairs} == {(tmp_path / image.format(i), tmp_path / mask.format(i)) for i in IDS}


def test_find_pairs_asks_for_images_and_masks_where_several_folders_have_the_same_files(tmp_path):
    names = ("bbdd/{}.jpg", "lumen/{}.png", "gtpolyp/{}.png")
    write_images(tmp_path, *(name.format(i) for name in names for i in IDS))
    with pytest.raises(InputError, match=r"'gtpolyp/\*' or 'lumen/\*' or 'bbdd/\*'") as caught:
        find_pairs(tmp_path)
    assert caught.value.parameters == ("masks", "images")
    listing = find_pairs(tmp_path, DataOptions(masks="gtpolyp/*", images="bbdd/*"))
    assert [(p.image.parent.name, p.mask.parent.name) for p in listing.pairs[""]] == [("bbdd", "gtpolyp")] * 2


def test_find_pairs_takes_folders_of_photographs_for_no_masks(tmp_path):
    for name in ("cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png"):
        write_photo(tmp_path / name)
    assert not find_pairs(tmp_path).pairs


def test_find_pairs_asks_how_many_classes_label_images_have(tmp_path):
    write_images(tmp_path, "leftImg8bit/a_leftImg8bit.png", "gtFine/a_gtFine_labelIds.png")
    with pytest.raises(InputError, match="numbers of many classes") as caught:
        find_pairs(tmp_path)
    assert caught.value.parameters == ("classes", "mask_values")
    assert len(find_pairs(tmp_path, TWENTY).pairs[""]) == 1


PARTS = {
    "BUSI": ("benign ({}).png", ["benign ({})_mask.png", "benign ({})_mask_1.png"]),
    "DSB 2018": ("{0}/images/{0}.png", ["{}/masks/e3.png", "{}/masks/f4.png"]),
    "a folder for each image": ("images/{}.jpg", ["masks/{}/0.png", "masks/{}/1.png"]),
    "a folder for each sample": ("s{}/image.png", ["s{}/mask_1.png", "s{}/mask_2.png"]),
    "numbered": ("images/{}a.jpg", ["masks/{}a.png", "masks/{}a_1.png"]),
    "numbered in brackets": ("images/{}a.jpg", ["masks/{}a (1).png", "masks/{}a (2).png"]),
    "class folders": ("images/{}.jpg", ["masks/polyp/{}.png", "masks/tool/{}.png"]),
    "class names": ("images/{}.jpg", ["masks/{}_polyp.png", "masks/{}_tool.png"]),
    "IDRiD": ("1. Original Images/a. Training Set/{}.jpg",
              ["2. All Segmentation Groundtruths/a. Training Set/1. polyp/{}_PO.tif",
               "2. All Segmentation Groundtruths/a. Training Set/2. tool/{}_TO.tif"]),
}  # fmt: skip


@pytest.mark.parametrize("layout", PARTS)
def test_find_pairs_unites_several_masks_of_an_image_and_says_so(layout, tmp_path):
    image, masks = PARTS[layout]
    write_images(tmp_path, *(name.format(i) for name in (image, *masks) for i in IDS))
    listing = find_pairs(tmp_path)
    (pairs,) = listing.pairs.values()
    assert {(pair.image, pair.mask) for pair in pairs} == {
        (tmp_path / image.format(i), MaskParts(tuple(tmp_path / mask.format(i) for mask in masks), (1, 1))) for i in IDS
    }
    assert "2 images have several masks" in listing.remarks[0]
    assert {*find_images(tmp_path).values()} == {tmp_path / image.format(i) for i in IDS}


@pytest.mark.parametrize("layout", ["class folders", "class names"])
def test_find_pairs_numbers_the_parts_of_a_mask_by_the_names_of_classes(layout, tmp_path):
    image, (polyp, tool) = PARTS[layout]
    write_images(tmp_path, *(name.format(1) for name in (image, polyp, tool)), image.format(2), tool.format(2))
    with pytest.raises(InputError, match="no class is named 'polyp', 'tool'") as caught:
        find_pairs(tmp_path, DataOptions(classes=3))
    assert caught.value.parameters == ("class_names",)
    pairs = find_pairs(tmp_path, DataOptions(classes=3, class_names=("background", "tool", "polyp"))).pairs[""]
    assert {pair.key: pair.mask for pair in pairs} == {
        "1": MaskParts((tmp_path / polyp.format(1), tmp_path / tool.format(1)), (2, 1)),
        "2": MaskParts((tmp_path / tool.format(2),), (1,)),
    }


def test_find_pairs_prefers_images_in_a_folder_of_images(tmp_path):
    write_images(tmp_path, *(f"train/{name}/1.png" for name in ("images", "v1/labels", "v1/coarse")))
    (pair,) = find_pairs(tmp_path, DataOptions(masks="labels/*")).pairs["train"]
    assert pair.image == tmp_path / "train/images/1.png"


def test_find_pairs_takes_a_folder_of_many_images_masks_for_no_image_of_its_name(tmp_path):
    """CelebAMask-HQ has masks of the first 2000 images in a folder 0, and an image 0.jpg."""
    write_images(tmp_path, *(f"img/{i}.jpg" for i in range(4)), *(f"mask-anno/0/0000{i}_hair.png" for i in range(4)))
    assert not find_pairs(tmp_path).pairs


def test_find_pairs_does_not_unite_numbered_masks_where_images_are_numbered_too(tmp_path):
    write_images(tmp_path, "images/s.jpg", "images/s_1.jpg", "masks/s.png", "masks/s_1.png", "masks/s_2.png")
    listing = find_pairs(tmp_path)
    assert {(pair.image.stem, pair.mask.stem) for pair in listing.pairs[""]} == {("s", "s"), ("s_1", "s_1")}
    assert listing.unpaired_masks == {"": [tmp_path / "masks/s_2.png"]}


@pytest.mark.parametrize(
    ("names", "options", "images"),
    [(["a.jpg", "a.png"], {"images": "*.jpg"}, ["a.jpg"]), (["a.jpg", "a.png"], {"images": "*.png"}, ["a.png"]),
     (["x/a.jpg", "y/a.png", "z/a.png"], {"images": "x", "masks": "z"}, ["x/a.jpg"])],
)  # fmt: skip
def test_find_pairs_follows_patterns_of_images(names, options, images, tmp_path):
    listing = find_pairs(write_images(tmp_path, *names), DataOptions(**options))
    assert [pair.image for pair in listing.pairs[""]] == [tmp_path / name for name in images]


def test_find_pairs_counts_what_neither_pattern_matches(tmp_path):
    write_images(tmp_path, "images/a.jpg", "GT/a.png", "masks/a.png", "x/b.jpg")
    listing = find_pairs(tmp_path, DataOptions(images="images/*", masks="GT/*"))
    assert listing.unread == {"matched by neither pattern": [tmp_path / "masks/a.png", tmp_path / "x/b.jpg"]}


@pytest.mark.parametrize("parameter", ["images", "masks"])
def test_find_pairs_refuses_a_pattern_that_matches_nothing(parameter, tmp_path):
    write_images(tmp_path, "images/a.jpg", "masks/a.png")
    with pytest.raises(InputError, match=r"no file matches '\*\.tif'; there are files such as images/a\.jpg") as caught:
        find_pairs(tmp_path, DataOptions(**{parameter: "*.tif"}))
    assert caught.value.parameters == (parameter,)

"""A set of masks is read as one, or asked about; the true object of each set is drawn by hand."""

import re

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, choose_reading, read_content, read_mask
from sam2unet.errors import InputError

H, W = 40, 60
OBJECT = np.zeros((H, W), bool)
OBJECT[10:25, 15:40] = True
SECOND = np.zeros((H, W), bool)
SECOND[28:36, 5:20] = True
RING = np.zeros((H, W), bool)
RING[8:27, 13:42] = True
RING &= ~OBJECT
EMPTY = np.zeros((H, W), np.uint8)


def paint(*layers, dtype=np.uint8):
    """(region, value) painted in order on 0."""
    values = np.zeros((H, W), dtype)
    for region, value in layers:
        values[region] = value
    return values


def colour(*layers, background=(0, 0, 0)):
    values = np.full((H, W, 3), background, np.uint8)
    for region, value in layers:
        values[region] = value
    return Image.fromarray(values)


def disk():
    """A disk with soft edges, as drawing programs make them."""
    y, x = np.mgrid[-H // 2 : H // 2, -W // 2 : W // 2]
    distance = np.hypot(y + 0.3, x + 0.1)
    return ((15 - distance).clip(-0.5, 0.5) * 255 + 127.5).round().astype(np.uint8)


def blurred(peak=255):
    """A disk with edges as wide as a blur makes them."""
    y, x = np.mgrid[-H // 2 : H // 2, -W // 2 : W // 2]
    return ((16 - np.hypot(y + 0.3, x + 0.1)) / 4 + 0.5).clip(0, 1) * peak


def constant(image, opacity):
    image = image.convert("RGBA")
    image.putalpha(opacity)
    return image


def quantized(image, colours):
    """With a palette in Pillow's own order."""
    return image.quantize(colours)


def with_palette(values, *colours):
    image = Image.fromarray(values).convert("L")
    image.putpalette([channel for entry in colours for channel in entry])
    return image


def rgba(image, opaque):
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return image


GRADIENT = np.add.outer(np.arange(H), np.arange(W)).astype(np.uint8) + np.uint8(20)


def write(folder, masks, suffix="png"):
    files = []
    for i, mask in enumerate(masks):
        image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        files.append(folder / f"{i}.{'tif' if image.mode in 'FI' else suffix}")
        image.save(files[-1], **({"quality": 80} if suffix == "jpg" else {}))
    return files


def choose(files, **options):
    options = DataOptions(**options)
    return choose_reading("set", [read_content(file, options) for file in files], options)


STRAY = OBJECT.copy()
STRAY[0, :2] = True
NUMBERED = np.arange(H * W).reshape(H, W) % 3 == 0
GAPS = [3, 17, 98, 201, 60, 44]


def numbered(values, dtype):
    """Squares of the given numbers."""
    mask = np.zeros((H, W), dtype)
    for k, value in enumerate(values):
        y, x = divmod(k, 20)
        mask[3 * y : 3 * y + 2, 3 * x : 3 * x + 2] = value
    return mask


ANY, FROM_128 = "foreground=any", "foreground=128-"
FIRST, SWAPPED = ((0, 0, 0), (9, 200, 9)), ((9, 200, 9), (0, 0, 0))
TWO_ORDERS = [with_palette(paint((OBJECT, 1)), *FIRST), with_palette(paint((~OBJECT, 1)), *SWAPPED)]
GREY_PALETTE = with_palette(paint((~OBJECT, 1)), (255,) * 3, (0,) * 3)
BLACK_ON_CLEAR_WHITE = rgba(colour((OBJECT, (0, 0, 0)), background=(255,) * 3), OBJECT)
WITH_LEVELS = paint((OBJECT, 90), *((np.s_[i], 10 * i) for i in range(1, 8)))
RED_AND_GREEN = colour((OBJECT, (255, 0, 0)), (SECOND, (0, 255, 0)))

# name -> masks of a set, reading, and object and ignored pixels of the first mask
SETS = {
    "0/1": ([paint((OBJECT, 1)), EMPTY], "foreground=1", OBJECT),
    "0/255": ([paint((OBJECT, 255)), EMPTY], "foreground=255", OBJECT),
    "one bit": ([Image.fromarray(OBJECT)], "foreground=1", OBJECT),
    "one grey level": ([paint((OBJECT, 100)), EMPTY], "foreground=100", OBJECT),
    "some 0/1, some 0/255": ([paint((OBJECT, 255)), paint((OBJECT, 1))], "foreground=1,255", OBJECT),
    "rgb grey": ([colour((OBJECT, 255))], "foreground=255", OBJECT),
    "stray values": ([paint((OBJECT, 255), (np.s_[0, 0], 3)), *[paint((OBJECT, 255))] * 3], FROM_128, OBJECT),
    "stray values near both": ([paint((OBJECT, 255), (np.s_[0, 0], 3), (np.s_[12, 20], 252))], FROM_128, OBJECT),
    "soft edges": ([disk(), paint((OBJECT, 255))], "soft", disk() > 128),
    "16 bits": ([paint((OBJECT, 65535), dtype=np.uint16)], "foreground=65535", OBJECT),
    "16 bits, 0/1": ([paint((OBJECT, 1), dtype=np.uint16)], "foreground=1", OBJECT),
    "16 bits, no data": (
        [paint((OBJECT, 1), (RING, 65535), dtype=np.uint16)], "foreground=any,65535:ignore", OBJECT, RING
    ),
    "signed, no data": (
        [Image.fromarray(paint((OBJECT, 1), (RING, -1), dtype=np.int32))], "foreground=1,-1:ignore", OBJECT, RING
    ),
    "fractions": ([paint((OBJECT, 0.9), dtype=np.float32)], "foreground=0.899999976", OBJECT),
    "probabilities": ([paint((OBJECT, 0.9), (SECOND, 0.2), dtype=np.float32)], "soft=1", OBJECT),
    "not a number": ([paint((OBJECT, 1), (RING, np.nan), dtype=np.float32)], "foreground=1", OBJECT, RING),
    "classes": ([paint((OBJECT, 1), (SECOND, 2))], ANY, OBJECT | SECOND),
    "class levels": ([paint((OBJECT, 70), (SECOND, 140))], ANY, OBJECT | SECOND),
    "ignored": ([paint((RING, 255), (OBJECT, 1))] * 2, "foreground=any,255:ignore", OBJECT, RING),
    "much ignored, small object": (
        [paint((np.s_[:9], 255), (np.s_[30:33, 40:43], 1))] * 4, "foreground=any,255:ignore",
        paint((np.s_[30:33, 40:43], 1)) > 0, paint((np.s_[:9], 1)) > 0,
    ),
    "ignored beside classes": (
        [paint((RING, 255), (OBJECT, 1)), paint((SECOND, 20), (RING, 255))], "foreground=any,255:ignore", OBJECT, RING
    ),
    "numbers, 8 bits": ([numbered(GAPS, np.uint8)], ANY, numbered(GAPS, np.uint8) > 0),
    "numbers, 16 bits": ([numbered([300, 9, 4000], np.uint16)], ANY, numbered([1] * 3, np.uint8) > 0),
    "255 numbers": ([numbered(range(1, 256), np.uint8)], ANY, numbered([1] * 255, np.uint8) > 0),
    "numbers from 0 to 59": ([numbered(range(1, 60), np.uint8)], ANY, numbered([1] * 59, np.uint8) > 0),
    "colours": ([colour((OBJECT, (200, 30, 0))), EMPTY], ANY, OBJECT),
    "dark colours": ([colour((OBJECT, (64, 0, 0)), (SECOND, (0, 64, 0)))], ANY, OBJECT | SECOND),
    "a palette in any order": ([quantized(colour((OBJECT, (255, 0, 0))), 2)], ANY, OBJECT),
    "palettes in two orders": (
        TWO_ORDERS,
        ANY, OBJECT
    ),
    "a grey palette, white first": ([GREY_PALETTE], "foreground=255", OBJECT),
    "voc": (
        [with_palette(paint((RING, 2), (OBJECT, 1)), (0, 0, 0), (128, 0, 0), (224, 224, 192))],
        "foreground=any,#e0e0c0:ignore", OBJECT, RING,
    ),
    "black on transparent white": ([BLACK_ON_CLEAR_WHITE], "alpha", OBJECT),
    "white, cut out": ([rgba(colour(background=(255,) * 3), OBJECT)], "alpha", OBJECT),
    "white, black is transparent": ([rgba(colour((OBJECT, (255,) * 3)), OBJECT)], "foreground=255", OBJECT),
    "wide soft edges": ([np.rint(blurred()).astype(np.uint8)], "soft", np.rint(blurred()) > 128),
    "wide soft edges, floats": ([blurred().astype(np.float32)], "soft", blurred() > 128.5),
    "wide soft edges, 16 bits": (
        [np.rint(blurred(65535)).astype(np.uint16)], "soft=65535", np.rint(blurred(65535)) > 128.5 * 257
    ),
    "24 numbers, one of them 255": ([numbered([*range(60, 83), 255], np.uint8)], ANY, numbered([1] * 24, np.uint8) > 0),
    "a stray 1": ([*[paint((OBJECT, 255))] * 3, paint((OBJECT, 255), (np.s_[0, 0], 1))], FROM_128, OBJECT),
    "many stray values": (
        [*[paint((OBJECT, 255))] * 3, paint((OBJECT, 255), *((np.s_[0, i], 1 + 40 * i) for i in range(6)))], FROM_128,
        OBJECT,
    ),
    "ignored beside classes without 1": (
        [paint((RING, 255), (OBJECT, 3), (SECOND, 15))], "foreground=any,255:ignore", OBJECT | SECOND, RING
    ),
    "no data at the end of 32 bits": (
        [paint((OBJECT, 1), (RING, 2**31 - 1), dtype=np.int32)], "foreground=any,2147483647:ignore", OBJECT, RING
    ),
    "no data of floats": (
        [paint((OBJECT, 1), (RING, -3.4028235e38), dtype=np.float32)], "foreground=1,-3.40282347e+38:ignore", OBJECT,
        RING,
    ),
    "wide value": ([paint((OBJECT, 123456789), dtype=np.int32)], "foreground=123456789", OBJECT),
    "nearly opaque everywhere": ([constant(colour((OBJECT, (255,) * 3)), 254)], "foreground=255", OBJECT),
    "transparent everywhere": ([constant(colour((OBJECT, (255,) * 3)), 0)], "foreground=255", OBJECT),
    "half transparent": ([rgba(colour(), OBJECT).point(lambda v: v * 100 // 255)], "alpha=100", OBJECT),
    "half transparent red": (
        [rgba(colour((OBJECT, (255, 0, 0))), OBJECT).point([*range(256)] * 3 + [v * 100 // 255 for v in range(256)])],
        ANY, OBJECT,
    ),
    "opaque rgba": ([rgba(colour((OBJECT, (255,) * 3)), OBJECT | True)], "foreground=255", OBJECT),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_choose_reading_finds_the_object_of_each_kind_of_set(name, tmp_path):
    masks, text, foreground, *rest = SETS[name]
    (ignored,) = rest or (np.zeros((H, W), bool),)
    files = write(tmp_path, masks)
    choice = choose(files)
    assert str(choice.reading) == text
    mask = read_mask(files[0], choice.reading)
    np.testing.assert_array_equal(mask.foreground() > 128, foreground)
    np.testing.assert_array_equal((mask.labels > 0) & mask.known(), foreground)
    np.testing.assert_array_equal(~mask.known(), ignored)


LOSSY = {
    "grey": ([Image.fromarray(paint((OBJECT, 255)))], OBJECT),
    "red on black": ([colour((OBJECT, (255, 0, 0)))], OBJECT),
    "two colours": ([colour((OBJECT, (0, 0, 255)), (SECOND, (0, 255, 0)))], OBJECT | SECOND),
    "dark red": ([colour((OBJECT, (128, 0, 0)))], OBJECT),
}


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("resaved", [False, True])
def test_choose_reading_sees_through_compression_noise(name, resaved, tmp_path):
    masks, foreground = LOSSY[name]
    files = write(tmp_path, masks, "jpg")
    if resaved:  # the noise stays when a JPEG is saved as PNG
        files = write(tmp_path, [Image.open(file) for file in files])
    found = read_mask(files[0], choose(files).reading).foreground() >= 128
    assert (found != foreground).sum() <= 0.2 * foreground.sum()  # blurred edges of 40x60 pixels
    assert (
        not found[~RING & ~foreground & ~np.roll(SECOND, 2, 0) & ~np.roll(SECOND, 2, 1)].any() or name == "two colours"
    )


QUESTIONS = {
    "0, 128, 255": ([paint((OBJECT, 255), (RING, 128))], {}, "0 .*, 128 .*, 255 .*foreground=255.*foreground=any"),
    "0, 15, 255": ([paint((OBJECT, 15), (RING, 255))], {}, "foreground=any,255:ignore"),
    "255 alone beside 1": ([*[paint((OBJECT, 255))] * 2, paint((OBJECT, 255), (SECOND, 1))], {}, "255:ignore"),
    "no background": ([paint((OBJECT, 1), (~OBJECT, 2))], {}, "no 0 for background.*foreground=1.*foreground=2"),
    "no black": ([colour((OBJECT, (255, 0, 0)), background=(250, 250, 250))], {}, "#fafafa:background,any:1"),
    "grey levels": ([WITH_LEVELS], {"classes": 3}, "0:0,10:1,20:2,any:ignore"),
    "0/255, several classes": ([paint((OBJECT, 255))], {"classes": 3}, "several classes 255 is ignored.*0:0,255:1"),
    "colours, several classes": (
        [colour((OBJECT, (255, 0, 0)), (SECOND, (0, 0, 255)))], {"classes": 3},
        "#000000:0,#ff0000:1,#0000ff:2.*labelmap",
    ),
    "palettes in two orders, several classes": (
        TWO_ORDERS,
        {"classes": 2}, "#000000:0,#09c809:1",
    ),
    "transparency and colours": ([rgba(RED_AND_GREEN, RING | OBJECT)], {}, "transparent.*alpha"),
    "depth": ([GRADIENT], {}, "many grey levels .*as photographs.*mask_values to soft "),
    "no full level": ([np.rint(blurred(180)).astype(np.uint8)], {}, "many grey levels .*soft .*soft=180"),
    "negative values alone": ([paint((OBJECT, -1), dtype=np.int32)], {}, "no value above 0.*foreground=-1"),
    "signed distances": ([(blurred() - 100).astype(np.float32)], {}, "negative values.*foreground=0- "),
    "not a number or the object": (
        [np.where(OBJECT, np.float32(1), np.float32(np.nan))], {}, "no data .*foreground=1,nan:background"
    ),
    "0/1, 0/255 and a third value": (
        [paint((OBJECT, 1), (SECOND, 7)), *[paint((OBJECT, 255))] * 2], {}, "foreground=any,255:ignore"
    ),
    "too many classes": ([paint((OBJECT, 1), (SECOND, 7))], {"classes": 3}, r"class 7 \(.*0\.png\), but there are 3"),
    "soft, classes": ([paint((OBJECT, 0.5), dtype=np.float32)], {"classes": 3}, "grey levels .* no class indices"),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_choose_reading_asks_where_a_set_can_be_read_in_two_ways(name, tmp_path):
    masks, options, message = QUESTIONS[name]
    with pytest.raises(InputError, match=f"^set: masks .*{message}") as error:
        choose(write(tmp_path, masks), **options)
    assert "mask_values" in error.value.parameters


@pytest.mark.parametrize(
    "name", [name for name in QUESTIONS if name not in ("transparency and colours", "soft, classes")]
)
def test_choose_reading_offers_readings_that_can_be_given(name, tmp_path):
    masks, options, _ = QUESTIONS[name]
    files = write(tmp_path, masks)
    with pytest.raises(InputError) as error:
        choose(files, **options)
    offered = re.findall(r"(?:foreground=|#\w{6}:|\d:)[^\s]*\w", str(error.value))
    assert offered
    for text in offered:
        read_mask(files[0], choose(files, mask_values=text, **options).reading)


@pytest.mark.parametrize(("brightest", "suffix"), [(256, "png"), (90, "png"), (90, "jpg")])
def test_choose_reading_refuses_photographs(brightest, suffix, tmp_path, rng):
    photos = [rng.integers(0, brightest, (H, W, 3)).astype(np.uint8) for _ in range(2)]
    with pytest.raises(InputError, match=rf"look like photographs.*0\.{suffix}") as error:
        choose(write(tmp_path, photos, suffix))
    assert error.value.parameters == ("masks",)


@pytest.mark.parametrize("quality", [20, 95, 99])
def test_choose_reading_sees_through_the_noise_of_any_quality(quality, tmp_path):
    Image.fromarray(paint((OBJECT, 255))).save(tmp_path / "a.jpg", quality=quality)
    Image.open(tmp_path / "a.jpg").save(tmp_path / "a.png")
    choice = choose([tmp_path / "a.png"])
    assert str(choice.reading) == "soft"
    assert ((read_mask(tmp_path / "a.png", choice.reading).labels > 0) != OBJECT).sum() <= 0.05 * OBJECT.sum()


def test_choose_reading_takes_levels_of_edges_from_halving_the_size(tmp_path):
    y, x = np.mgrid[: 2 * H, : 2 * W]
    large = np.where(np.hypot(y - 37.3, x - 52.6) < 25, np.uint8(255), np.uint8(0))
    small = Image.fromarray(large).resize((W, H), Image.Resampling.BOX)
    files = write(tmp_path, [small])
    assert set(np.unique(small)) == {0, 64, 128, 192, 255}
    reading = choose(files).reading
    assert str(reading) == "soft"
    np.testing.assert_array_equal(read_mask(files[0], reading).labels, np.asarray(small) > 128)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_choose_reading_refuses_masks_of_0_and_1_among_grey_levels(suffix, tmp_path):
    files = [tmp_path / "a.png", tmp_path / f"b.{suffix}"]
    Image.fromarray(paint((OBJECT, 1))).save(files[0])
    Image.fromarray(disk()).save(files[1])
    with pytest.raises(InputError, match=r"1 of 2 masks hold 0 and 1 \(.*a\.png\), the others grey levels up to 255"):
        choose(files)


def test_choose_reading_offers_the_main_colours_of_noisy_classes(tmp_path):
    red, blue = (240, 0, 0), (0, 0, 240)
    files = write(tmp_path, [colour((OBJECT, red), (SECOND, blue))], "jpg")
    with pytest.raises(InputError, match=r"nearest,#000000:0,#\w{6}:1,#\w{6}:2") as error:
        choose(files, classes=3)
    text = re.search(r"nearest,[^\s]*\w", str(error.value))[0]
    labels = read_mask(files[0], choose(files, classes=3, mask_values=text).reading, 3).labels
    expected = paint((OBJECT, 1), (SECOND, 2))
    assert (labels != expected).mean() < 0.05


def test_choose_reading_of_classes_ignores_what_ends_the_type_and_says_so(tmp_path):
    files = write(tmp_path, [paint((OBJECT, 1), (SECOND, 2), (RING, 65535), dtype=np.uint16)])
    choice = choose(files, classes=3)
    assert str(choice.reading) == "classes,65535:ignore"
    assert choice.remarks == ("pixels of 65535 in masks are no data and ignored",)


def test_read_content_counts_pixels_inside_areas_of_one_value(tmp_path, rng):
    values = rng.integers(0, 4, (12, 15)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    padded = np.pad(values.astype(int), 1, constant_values=-1)
    flat = 0
    for y, x in np.ndindex(values.shape):
        v, across, down = padded[y + 1, x + 1], padded[y + 1, [x, x + 2]], padded[[y, y + 2], x + 1]
        flat += 0 < v < 3 and v in across and v in down
    assert read_content(tmp_path / "a.png", DataOptions()).flat == flat > 0


def test_choose_reading_takes_what_it_is_told(tmp_path):
    files = write(tmp_path, [paint((OBJECT, 255), (RING, 128))])
    for text, foreground in (
        ("foreground=255", OBJECT),
        (FROM_128, OBJECT | RING),
        ("128:1,255:ignore", RING),
    ):
        np.testing.assert_array_equal(
            read_mask(files[0], choose(files, mask_values=text).reading).foreground() > 0, foreground
        )
    np.testing.assert_array_equal(
        read_mask(files[0], choose(files, instances=True).reading).foreground() > 0, OBJECT | RING
    )


def test_choose_reading_names_masks_with_stray_values(tmp_path):
    files = write(tmp_path, [paint((OBJECT, 255)), paint((OBJECT, 255), (np.s_[0, 0], 3)), paint((OBJECT, 255))])
    (remark,) = choose(files).remarks
    assert remark.startswith("1 of 3 masks hold a few pixels of 3 beside 0 and 255")
    assert str(files[1]) in remark


@pytest.mark.parametrize(("palette", "text"), [(False, "classes"), (True, "indices,classes")])
def test_choose_reading_of_several_classes_takes_indices(palette, text, tmp_path):
    values = paint((RING, 255), (OBJECT, 1), (SECOND, 2))
    entries = [(0, 0, 0), (255, 0, 0), (0, 255, 0), *[(0, 0, 0)] * 252, (224, 224, 192)]
    files = write(tmp_path, [with_palette(values, *entries) if palette else values])
    choice = choose(files, classes=3)
    assert str(choice.reading) == text
    np.testing.assert_array_equal(read_mask(files[0], choice.reading, 3).labels, values)

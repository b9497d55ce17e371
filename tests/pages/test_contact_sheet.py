"""The page of a checked folder: what it shows, in which order, and why."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, check_pairs, class_colours, find_pairs
from sam2unet.files import PARTIAL
from sam2unet.pages import write_contact_sheet
from sam2unet.pages.mask_meaning import OBJECT

SIZE = 96
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


def disc(row, column, radius=14):
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2


def photo(rng, shape):
    """A bright shape on a noisy ground."""
    ground = rng.normal(90, 12, (SIZE, SIZE)) + 90 * shape
    return Image.fromarray(ground.clip(0, 255).astype(np.uint8)).convert("RGB")


def write_pair(root, name, image, mask):
    for folder, content in (("images", image), ("masks", mask)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        if not isinstance(content, Image.Image):
            content = Image.fromarray(np.asarray(content, np.uint8))
        content.save(root / folder / f"{name}.png")


def write_ordinary(root, rng, number, prefix="ordinary", full=255):
    for i in range(number):
        shape = disc(*rng.integers(25, SIZE - 25, 2), radius=rng.integers(11, 16))
        write_pair(root, f"{prefix}{i:03}", photo(rng, shape), full * shape)


class Cells(HTMLParser):
    """The figures of the contact sheets: name, reasons, and number of images."""

    def __init__(self):
        super().__init__()
        self.cells, self.inside, self.place = [], False, ""

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("class") == "outlined":
            self.cells.append({"name": "", "why": [], "images": [], "foreground": ""})
            self.inside = True
        elif self.inside and tag == "img":
            self.cells[-1]["images"].append(attributes["src"])
        elif tag != "wbr":
            self.place = {"figcaption": "name", "div": "foreground", "p": "why"}.get(tag, "")
            if self.inside and tag == "p":
                self.cells[-1]["why"].append("")

    def handle_data(self, data):
        if self.inside and self.place == "why":
            self.cells[-1]["why"][-1] += data
        elif self.inside and self.place:
            self.cells[-1][self.place] += data

    def handle_endtag(self, tag):
        self.inside &= tag != "figure"


def decoded(source):
    return Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2])))


def make_page(root, out, **options):
    """Return the page's text and its cells."""
    options = DataOptions(**options)
    write_contact_sheet(out, check_pairs(find_pairs(root, options), options), options)
    text = out.read_text(encoding="utf-8")
    parser = Cells()
    parser.feed(text)
    return text, parser.cells


@pytest.fixture
def suspicious(tmp_path, rng):
    """Thirty ordinary pairs in train and some that are not."""
    root = tmp_path / "set"
    train = root / "train"
    write_ordinary(train, rng, 30)
    shape = disc(30, 30)
    write_pair(train, "shifted", photo(rng, shape), 255 * np.roll(shape, (30, 30), (0, 1)))
    write_pair(train, "empty", photo(rng, shape), 0 * shape)
    write_pair(train, "full", photo(rng, shape), np.full(shape.shape, 255))
    write_pair(train, "tiny", photo(rng, disc(40, 40, 2)), 255 * disc(40, 40, 2))
    write_pair(train, "broken", photo(rng, shape), 255 * shape)
    (train / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    write_ordinary(root / "test", rng, 9, "other")
    write_pair(root / "test", "copy", Image.open(train / "images" / "ordinary004.png"), 255 * shape)
    return root


def test_write_contact_sheet_shows_the_suspicious_first_and_why(suspicious, tmp_path):
    _, cells = make_page(suspicious, tmp_path / "page.html")
    train = cells[:35]
    assert [cell["name"] for cell in train[:6]] == ["broken", "full", "empty", "tiny", "shifted", "ordinary004"]
    why = {cell["name"]: " ".join(cell["why"]) for cell in cells}
    assert why["broken"].startswith("train/images/broken.png")
    assert "covers the whole image" in why["full"]
    assert "is empty" in why["empty"]
    assert "only 0.098%" in why["tiny"]
    assert "follows no clear edge" in why["shifted"]
    assert why["ordinary004"] == "looks like copy in test"
    assert "looks like ordinary004 in train" in why["copy"]
    assert all(not cell["why"] for cell in train[6:])


def test_write_contact_sheet_has_a_placeholder_for_a_broken_image(suspicious, tmp_path):
    text, cells = make_page(suspicious, tmp_path / "page.html")
    assert cells[0]["images"] == []
    assert text.count('class="blank"') == 1
    assert all(len(cell["images"]) == 2 for cell in cells[1:])


def test_write_contact_sheet_shows_duplicates_side_by_side(suspicious, tmp_path):
    text, _ = make_page(suspicious, tmp_path / "page.html")
    twins = text.partition("look the same in two splits: 1")[2]
    one, other = (np.asarray(decoded(source), float) for source in re.findall('src="([^"]*)"', twins))
    assert np.abs(one - other).mean() < 1
    assert "ordinary004 (train) and copy (test)" in twins


def test_write_contact_sheet_needs_no_other_file(suspicious, tmp_path):
    text, _ = make_page(suspicious, tmp_path / "page.html")
    sources = re.findall(r"""(?:src|href|srcset|url)\s*[=(]\s*["']?([^"')\s>]*)""", text)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "<script" not in text
    assert "http" not in text
    assert not [file for file in tmp_path.iterdir() if PARTIAL.fullmatch(file.name)]


def test_write_contact_sheet_is_the_same_each_time(suspicious, tmp_path):
    assert make_page(suspicious, tmp_path / "a.html")[0] == make_page(suspicious, tmp_path / "b.html")[0]


def test_write_contact_sheet_draws_the_outline_inside_the_object(tmp_path, rng):
    square = (abs(ROWS - 40) < 20) & (abs(COLUMNS - 50) < 10)
    write_pair(tmp_path / "set", "a", photo(rng, square), 255 * square)
    _, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    drawn = np.asarray(decoded(cells[0]["images"][1]).convert("RGBA"))
    outline = drawn[..., 3] > 0
    rows, columns = np.nonzero(outline)
    scale = drawn.shape[0] / SIZE
    expected = [21 * scale, 60 * scale, 41 * scale, 60 * scale]
    np.testing.assert_allclose([rows.min(), rows.max() + 1, columns.min(), columns.max() + 1], expected, atol=1)
    assert not outline[round(40 * scale), round(50 * scale)]
    assert (drawn[outline][:, :3] == OBJECT).all()
    assert cells[0]["foreground"] == f"{square.mean():.1%} foreground"


def test_write_contact_sheet_draws_each_class_in_its_colour_and_ignored_pixels_striped(tmp_path, rng):
    labels = 1 * disc(30, 30) + 2 * disc(65, 65)
    labels[:, :8] = 255
    for name in "abc":
        write_pair(tmp_path / "set", name, photo(rng, labels == 1), labels)
    names = ("ground", "liver & bile", "tumour")
    text, cells = make_page(tmp_path / "set", tmp_path / "page.html", classes=3, class_names=names)
    drawn = np.asarray(decoded(cells[0]["images"][1]).convert("RGBA"))
    scale = drawn.shape[0] / SIZE
    colours = class_colours(3).tolist()

    def colours_near(row, column):
        part = drawn[round((row - 16) * scale) : round((row + 16) * scale)]
        part = part[:, round((column - 16) * scale) : round((column + 16) * scale)].reshape(-1, 4)
        return {tuple(colour[:3]) for colour in part.tolist() if colour[3]}

    assert colours_near(30, 30) == {tuple(colours[1])}
    assert colours_near(65, 65) == {tuple(colours[2])}
    striped = drawn[:, : round(8 * scale), 3] > 0
    assert 0.2 < striped.mean() < 0.5
    assert all(f"</span>{name}</td>" in text for name in ("ground", "liver &amp; bile", "tumour", "ignored"))


def test_write_contact_sheet_escapes_names_and_sentences(tmp_path, rng):
    root = tmp_path / "a<b>&c"
    write_pair(root, "<i>&one", photo(rng, disc(40, 40)), 255 * disc(40, 40))
    write_pair(root, "<i>&two", photo(rng, disc(40, 40)), np.zeros((10, 90)))
    text, cells = make_page(root, tmp_path / "page.html")
    assert {cell["name"] for cell in cells} == {"<i>&one", "<i>&two"}
    assert "<i>" not in text
    assert "<b>&c" not in text
    assert "a&lt;b&gt;&amp;c" in text


def test_write_contact_sheet_describes_findings_with_the_callers_words(tmp_path, rng):
    root = tmp_path / "set"
    write_pair(root, "a", photo(rng, disc(40, 40)), 0 * disc(40, 40))
    options = DataOptions()
    check = check_pairs(find_pairs(root, options), options)
    assert check.errors
    write_contact_sheet(tmp_path / "page.html", check, options, lambda finding: f"{finding} <ask>")
    assert "nothing to learn &lt;ask&gt;</li>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_write_contact_sheet_of_images_without_masks_lists_the_errors(tmp_path, rng):
    for name in "ab":
        (tmp_path / "set").mkdir(exist_ok=True)
        photo(rng, disc(40, 40)).save(tmp_path / "set" / f"{name}.png")
    text, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    assert not cells
    assert "images without a mask" in text
    assert '<ul class="findings error"><li>' in text


def test_write_contact_sheet_draws_each_value_apart_while_their_meaning_is_open(tmp_path, rng):
    for i in range(3):
        mask = np.full((SIZE, SIZE), 120, np.uint8)
        mask[disc(40, 40)] = 30
        write_pair(tmp_path / "set", f"{i}", photo(rng, disc(40, 40)), mask)
    text, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    assert '<ul class="findings error"><li>' in text
    assert text.count("not decided") == 3
    drawn = np.asarray(decoded(cells[0]["images"][1]).convert("RGBA")).reshape(-1, 4)
    assert len({tuple(colour) for colour in drawn.tolist() if colour[3]}) == 2


def test_write_contact_sheet_lists_values_with_share_and_meaning(tmp_path, rng):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:24], mask[24:36] = 128, 255
    write_pair(tmp_path / "set", "a", photo(rng, disc(40, 40)), mask)
    text, _ = make_page(tmp_path / "set", tmp_path / "page.html", mask_values="0:background,128:1,255:ignore")
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td>.*?</span>([^<]*)</td></tr>", text)
    assert rows == [("0", "62.5%", "background"), ("128", "25.0%", "foreground"), ("255", "12.5%", "ignored")]


def test_write_contact_sheet_reports_masks_with_other_values_than_most(tmp_path, rng):
    write_ordinary(tmp_path / "set", rng, 12)
    write_ordinary(tmp_path / "set", rng, 1, "other", full=1)
    _, cells = make_page(tmp_path / "set", tmp_path / "page.html", mask_values="foreground=1,255")
    assert cells[0]["name"] == "other000"
    assert "the mask holds 1, as only this mask of 13" in cells[0]["why"]


def test_write_contact_sheet_limits_what_it_shows_and_says_so(tmp_path, rng):
    write_ordinary(tmp_path / "set", rng, 70)
    for i in range(15):
        write_pair(tmp_path / "set", f"empty{i:02}", photo(rng, disc(40, 40)), np.zeros((SIZE, SIZE)))
    text, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    assert len(cells) == 60
    assert "60 are shown, 25 are not." in text
    assert "empty mask: 15" in text
    assert sum("the mask is empty" in cell["why"] for cell in cells) == 10
    assert len({cell["name"] for cell in cells}) == 60


def test_write_contact_sheet_shows_dim_images_brighter_and_says_so(tmp_path, rng):
    shape = disc(40, 40)
    write_pair(tmp_path / "set", "dim", photo(rng, shape).point(lambda value: value // 5), 255 * shape)
    write_pair(tmp_path / "set", "normal", photo(rng, shape), 255 * shape)
    _, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    shown = {cell["name"]: cell for cell in cells}
    assert shown["dim"]["foreground"].endswith(", shown brighter")
    assert not shown["normal"]["foreground"].endswith("brighter")
    assert np.asarray(decoded(shown["dim"]["images"][0])).max() > 200


def test_write_contact_sheet_of_annotations_says_that_masks_are_drawn(tmp_path, rng):
    (tmp_path / "set").mkdir()
    photo(rng, disc(40, 40)).save(tmp_path / "set" / "a.png")
    points = [[20, 20], [60, 20], [60, 60], [20, 60]]
    shape = {"label": "polyp", "points": points, "shape_type": "polygon", "flags": {}}
    labelme = {"imagePath": "a.png", "imageHeight": SIZE, "imageWidth": SIZE, "shapes": [shape]}
    (tmp_path / "set" / "a.json").write_text(json.dumps(labelme), encoding="utf-8")
    text, cells = make_page(tmp_path / "set", tmp_path / "page.html")
    assert "Masks are drawn from annotations." in text
    assert np.asarray(decoded(cells[0]["images"][1]).convert("RGBA"))[..., 3].any()
    assert "<td>drawn</td>" in text

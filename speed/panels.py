"""Draw a row of enlarged panels: the same part of an image, of its mask and of the masks that networks found.

    python speed/panels.py IMAGE MASK FILE.png "trained on tiles=masks/0.png" "plain U-Net=others/0.png"

The part is the one with the most object pixels. A panel is CAPTION=MASK.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sam2unet.data import open_image, read_image
from sam2unet.files import atomic_path

PART, ENLARGED, CAPTION, GAP = 160, 2, 24, 8
"""Side of the part, how many times it is enlarged, height of a caption, and gap between panels; in pixels."""


def draw_panels(image: Path, mask: Path, found: dict[str, Path], path: Path) -> None:
    """Write a PNG file.

    Args:
        image: of at least 160x160 pixels.
        mask: white where the object is; of the image's size, like all that follow.
        found: caption -> mask.
        path: the file.
    """
    truth = open_image(mask).convert("L")
    columns, rows = (range(0, length - PART + 1, PART // 4) for length in truth.size)
    boxes = [(left, top, left + PART, top + PART) for top in rows for left in columns]
    box = max(boxes, key=lambda box: sum(truth.crop(box).histogram()[128:]))
    panels = {"image": read_image(image), "mask": truth} | {name: open_image(file) for name, file in found.items()}
    side = PART * ENLARGED
    row = Image.new("RGB", (len(panels) * (side + GAP) - GAP, side + CAPTION), "white")
    draw = ImageDraw.Draw(row)
    for index, (caption, panel) in enumerate(panels.items()):
        left = index * (side + GAP)
        draw.text((left, 2), caption, "black", ImageFont.load_default(16))
        part = panel.convert("RGB").crop(box)
        row.paste(part.resize((side, side), Image.Resampling.NEAREST), (left, CAPTION))
    with atomic_path(path) as partial:
        row.save(partial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="an image")
    parser.add_argument("mask", type=Path, help="its mask")
    parser.add_argument("file", type=Path, help="PNG file to write")
    parser.add_argument("panels", nargs="+", metavar="CAPTION=MASK", help="a found mask and its caption")
    options = parser.parse_args()
    found = dict(panel.split("=", 1) for panel in options.panels)
    draw_panels(options.image, options.mask, {name: Path(file) for name, file in found.items()}, options.file)


if __name__ == "__main__":
    main()

"""Small annotation files, and the masks drawn from them."""

import base64
import io
import json

import numpy as np
from PIL import Image

from sam2unet.data.annotations import read_annotation_file
from sam2unet.data.options import DataOptions

WIDTH, HEIGHT = 32, 24


def box_mask(left, top, width, height, value=1):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top : top + height, left : left + width] = value
    return mask


def ring(left, top, width, height):
    return [left, top, left + width, top, left + width, top + height, left, top + height]


def corners(left, top, width, height):
    flat = ring(left, top, width, height)
    return [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]


def png_base64(mask, mode="L"):
    data = io.BytesIO()
    image = Image.fromarray(mask * np.uint8(255))
    if mode == "RGBA":
        image = Image.merge("RGBA", [Image.new("L", image.size, 255)] * 3 + [image])
    image.save(data, "PNG")
    return data.getvalue()


def text_base64(data):
    return base64.b64encode(data).decode()


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path, content, **options):
    return read_annotation_file(write(path, content), DataOptions(**options))


def drawn(file, name, indices=None, size=(WIDTH, HEIGHT)):
    return file.annotations[name].with_size(size).with_indices(indices or {}).draw()

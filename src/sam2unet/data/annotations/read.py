"""Reading annotation files of any format."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..options import DataOptions
from . import coco, cvat, label_studio, labelme, supervisely, via, yolo
from .annotation import AnnotationFile
from .reader import Source

ANNOTATION_SUFFIXES = {".json", ".txt", ".xml"}
"""Suffixes of files that may hold annotations."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Reader = Callable[[Source, Any], AnnotationFile]
JSON_FORMATS: list[tuple[str, Callable[[Any], bool], Reader]] = [
    ("COCO", coco.recognise, coco.read),
    ("COCO", coco.recognise_results, coco.read_results),
    ("LabelMe", labelme.recognise, labelme.read),
    ("VIA", via.recognise, via.read),
    ("Label Studio", label_studio.recognise, label_studio.read),
    ("Supervisely", supervisely.recognise, supervisely.read),
]


def read_annotation_file(path: Path, options: DataOptions) -> AnnotationFile | None:
    """Read a file of annotations.

    Args:
        path: a file with one of `ANNOTATION_SUFFIXES`.
        options: decide about crowds, boxes and lines.

    Returns:
        What the file holds, or None if it isn't of a known format, such as a log, or a list of names.

    Raises:
        InputError: the file can't be read, a field is missing or wrong, or boxes have no outline and `options.boxes`
            doesn't say what becomes of them.
    """
    suffix = path.suffix.lower()
    if suffix not in ANNOTATION_SUFFIXES:
        return None
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}): check its permissions") from error
    if suffix == ".txt":
        return yolo.read(Source(path, options, "YOLO"), text) if yolo.recognise(text) else None
    if suffix == ".xml":
        return cvat.read(Source(path, options, "CVAT"), text)
    return _read_json(path, options, text)


def decode(data: bytes) -> str:
    """Decode text that doesn't say how it is encoded: UTF-8, UTF-16 with a byte order mark, GB 18030, or Latin-1."""
    for encoding in ["utf-16"] if data.startswith(UTF_16) else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _read_json(path: Path, options: DataOptions, text: str) -> AnnotationFile | None:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None  # JSON Lines, such as a log
        raise InputError(f"{path}: broken JSON ({error}): save or export it again") from error
    except ValueError as error:
        raise InputError(f"{path}: holds a number of thousands of digits: correct it") from error
    except RecursionError as error:
        raise InputError(f"{path}: lists are nested too deeply: export it again") from error
    for name, recognise, read in JSON_FORMATS:
        if recognise(content):
            return read(Source(path, options, name), content)
    return None

"""Class indices of labels: one numbering for all annotation files of a set."""

import graphlib
from collections.abc import Sequence
from itertools import pairwise

from ...card import IGNORED
from ...errors import InputError
from ..masks.mask_values import MAX_LABEL, parse_mask_values
from ..options import DataOptions
from .annotation import RESERVED, AnnotationFile

WAYS = ("class_names", "mask_values")


def number_labels(files: Sequence[AnnotationFile], options: DataOptions) -> dict[str, int]:
    """Return the class index of each label.

    Reserved labels, such as "__ignore__", need no number of the user's. The others are numbered by names in
    `options.mask_values`, such as "polyp:1,tool:2,dirt:ignore", else by `options.class_names`. Without them: for a
    single class all are 1; numbers from 1 to 254 are themselves; categories of COCO are 1, 2, ... in the order of
    their ids, without those that nobody uses; the ids of YOLO are increased by 1.

    Args:
        files: all annotation files of a set.
        options: `classes`, `class_names` and `mask_values` are used.

    Raises:
        InputError: a label has no number, the files order their labels differently, or an index is too high.
    """
    labels = {label: file for file in reversed(files) for label in file.labels if label not in RESERVED}
    indices = _by_mask_values(labels, options)
    if not indices and options.classes > 1 and labels:
        indices = _by_class_names(labels, options) if options.class_names else _by_files(files, labels, options)
    highest = max(options.classes - 1, 1)
    for label, index in indices.items():
        if label in labels and index != IGNORED and index > highest:
            raise InputError(
                f"{labels[label].file}: label {label!r} is class {index}, but {highest} is the highest: correct the "
                "number of classes, background included, or number the labels in another way",
                "classes", *WAYS,
            )  # fmt: skip
    used = {label for file in files for label in file.labels}
    return {label: index for label, index in RESERVED.items() if label in used} | indices


def _by_mask_values(labels: dict[str, AnnotationFile], options: DataOptions) -> dict[str, int]:
    """Number labels by `mask_values`; empty if its items are the values of pixels."""
    reading = parse_mask_values(options.mask_values, options.class_names) if options.mask_values else None
    names = dict(reading.names) if reading else {}
    for label, file in labels.items() if names else ():
        if label not in names:
            raise InputError(
                f"{file.file}: label {label!r} has no number in mask_values {options.mask_values!r}: add it",
                "mask_values",
            )
    return {label: names[label] for label in labels} if names else {}


def _by_class_names(labels: dict[str, AnnotationFile], options: DataOptions) -> dict[str, int]:
    names = ", ".join(options.class_names)
    if len(options.class_names) != options.classes:
        raise InputError(
            f"{len(options.class_names)} class names ({names}) for {options.classes} classes: list one name for each, "
            "background first",
            "class_names", "classes",
        )  # fmt: skip
    indices = {name: index for index, name in enumerate(options.class_names)}
    for label, file in labels.items():
        if label not in indices and file.format == "YOLO" and label.isdecimal():
            indices[label] = int(label) + 1
        elif label not in indices:
            raise InputError(
                f"{file.file}: label {label!r} is not among the class names ({names}): correct it or add it",
                "class_names",
            )
    return {label: indices[label] for label in labels}


def _by_files(
    files: Sequence[AnnotationFile], labels: dict[str, AnnotationFile], options: DataOptions
) -> dict[str, int]:
    formats = {file.format for file in files if file.labels}
    if formats == {"YOLO"}:
        return {label: position for position, label in enumerate(_yolo_labels(files), 1)}
    if formats == {"COCO"}:
        known = _merged(files)
        used = [label for label in known if label in labels]
        for candidates in (used, known):
            if len(candidates) == options.classes - 1:
                return {label: position for position, label in enumerate(candidates, 1)}
    elif all(label.isdecimal() and 1 <= int(label) <= MAX_LABEL for label in labels):
        return {label: int(label) for label in labels}
    elif len(labels) == 1 and options.classes == 2:
        return dict.fromkeys(labels, 1)
    raise InputError(
        f"{_enumerate(files)}: {len(labels)} label{'s' * (len(labels) > 1)} ({', '.join(sorted(labels))}) for "
        f"{options.classes} classes, background included: list the names in the order of the classes, or number them, "
        'such as "polyp:1,tool:2"',
        *WAYS,
    )


def _enumerate(files: Sequence[AnnotationFile]) -> str:
    labelled = [str(file.file) for file in files if file.labels]
    return labelled[0] + (f" and {len(labelled) - 1} more" if len(labelled) > 1 else "")


def _yolo_labels(files: Sequence[AnnotationFile]) -> tuple[str, ...]:
    """Return the longest list of names; the others must be its beginning."""
    longest = max(files, key=lambda file: len(file.known_labels))
    for file in files:
        if file.known_labels != longest.known_labels[: len(file.known_labels)]:
            raise _order_error(file, longest)
    return longest.known_labels


def _merged(files: Sequence[AnnotationFile]) -> list[str]:
    """Return the labels that files know, in the one order that agrees with that of each file.

    Raises:
        InputError: there is none, or more than one.
    """
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    listing = [file for file in files if file.known_labels]
    for file in listing:
        sorter.add(file.known_labels[0])
        for label, successor in pairwise(file.known_labels):
            sorter.add(successor, label)
    try:
        merged = list(sorter.static_order())
    except graphlib.CycleError as error:
        holders = [file for file in listing if set(error.args[1]) & set(file.known_labels)]
        raise _order_error(holders[-1], holders[0]) from error
    for pair in pairwise(merged):
        if not any(set(pair) <= set(file.known_labels) for file in listing):
            holders = [next(file for file in listing if label in file.known_labels) for label in pair]
            raise _order_error(holders[1], holders[0])
    return [label for label in merged if label not in RESERVED]


def _order_error(file: AnnotationFile, other: AnnotationFile) -> InputError:
    return InputError(
        f"{file.file} orders its labels in another way ({', '.join(file.known_labels)}) than {other.file} "
        f"({', '.join(other.known_labels)}): list the names in the order of the classes",
        *WAYS,
    )

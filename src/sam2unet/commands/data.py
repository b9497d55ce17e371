"""sam2unet data check, list, scenes, split"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import InputError
from .options import Seed, Tasks, progress, table_console, with_data_options, with_options

Classes = Annotated[
    int, typer.Option(min=1, max=254, help="Number of classes, including background; 1: foreground only.")
]

app = typer.Typer(no_args_is_help=True, help="Check or split a folder of images and masks; draw sample scenes.")


@app.command()
@with_data_options
def check(
    folder: Path,
    data_options: dict[str, Any],
    classes: Classes = 1,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="Look for the paper's eighteen test sets.")] = False,
    task: Tasks = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page that shows the images with the outlines of their masks.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write what was found as JSON.")] = None,
) -> None:
    """Print pairs, how masks are read, sizes, foreground and broken files; exit code 2 if training would go wrong.

    With --catalogue: which of the paper's test sets are in the folder, in any layout, and which images they share with
    training sets; exit code 1 if something is missing or differs.
    """
    from ..data import DataOptions, check_pairs, find_pairs, print_check, write_check
    from ..pages import write_contact_sheet

    if catalogue:
        _check_catalogue(folder, task or [])
        return
    if task:
        raise InputError("--task needs --catalogue")
    options = DataOptions(**data_options, classes=classes)
    listing = find_pairs(folder, options)
    with progress("reading") as report_progress:
        result = check_pairs(listing, options, report_progress)
    print_check(result, table_console(), with_options)
    if json:
        write_check(json, result)
    if html:
        write_contact_sheet(html, result, options, with_options)
        print(f"Contact sheet: {html}")
    if result.errors:
        number = len(result.errors)
        raise InputError(f"{folder}: training would go wrong, see above ({number} error{'s' * (number != 1)})")


def _check_catalogue(root: Path, tasks: list[str]) -> None:
    from ..benchmark import chosen_sets, find_sets, print_scan, shared_images

    scan = find_sets(root, chosen_sets(tasks))
    with progress("comparing images") as report_progress:
        shared = shared_images(scan, report_progress)
    print_scan(scan, table_console())
    remarks = scan.remarks()
    for (train, test), pairs in shared.items():
        one, other = pairs[0]
        remarks.append(f"{test}: {len(pairs)} images look like one of {train}, such as {other} like {one}")
    for remark in remarks:
        print(remark)
    if remarks:
        raise typer.Exit(1)


@app.command("list")
def list_(
    task: Tasks = None,
    long: Annotated[
        bool, typer.Option("--long", help="Also print each set's reference and the layouts it is distributed in.")
    ] = False,
) -> None:
    """List the paper's eighteen test sets: number of images, home page, licence."""
    from ..benchmark import chosen_sets, print_catalogue, print_layouts

    print_catalogue(chosen_sets(task or []), table_console())
    if long:
        print_layouts(chosen_sets(task or []), table_console())


@app.command()
def scenes(
    folder: Path,
    train: Annotated[int, typer.Option(min=2, help="Number of scenes in train/.")] = 320,
    test: Annotated[int, typer.Option(min=1, help="Number of scenes in test/.")] = 40,
    side: Annotated[int, typer.Option(min=32, help="Height and width in pixels.")] = 256,
    seed: Seed = 0,
    kinds: Annotated[
        int, typer.Option(min=1, max=2, help="Kinds of objects; 2: masks of three classes, including background.")
    ] = 1,
    kind: Annotated[
        Literal["objects", "lines"], typer.Option(help="objects, or lines: walls with cracks of one to three pixels.")
    ] = "objects",
) -> None:
    """Draw sample scenes into FOLDER/train and FOLDER/test, to try everything without a download."""
    from ..data import write_scenes

    with progress("drawing") as report_progress:
        write_scenes(folder, train, test, side, seed, kinds, report_progress, kind)
    print(f"{train} + {test} scenes: {folder}")


@app.command()
@with_data_options
def split(
    folder: Path,
    data_options: dict[str, Any],
    out: Annotated[Path, typer.Option(help="A new folder, in which train/ and test/ are written.")],
    share: Annotated[float, typer.Option(min=0.01, max=0.99, help="Fraction of the pairs that go to test/.")] = 0.2,
    group: Annotated[
        str | None,
        typer.Option(help='Keep groups on one side: "folder", or a regular expression that finds the group in a name.'),
    ] = None,
    classes: Classes = 1,
    seed: Seed = 0,
) -> None:
    """Copy a folder of pairs into OUT/train and OUT/test."""
    from ..data import DataOptions, find_pairs, write_split

    options = DataOptions(**data_options, classes=classes)
    train, test = write_split(find_pairs(folder, options), out, share, seed, group)
    print(f"{train} + {test} pairs: {out}")

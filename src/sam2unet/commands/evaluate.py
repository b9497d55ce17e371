"""sam2unet evaluate and evaluate-merge"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import Processes, parse_shard, progress

if TYPE_CHECKING:
    from ..evaluation import Evaluation

Json = Annotated[Path | None, typer.Option(help="Write the metrics as JSON.")]


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A folder of probability maps or masks.")],
    masks: Annotated[Path, typer.Argument(help="A folder of masks, or of images and masks.")],
    json: Json = None,
    csv: Annotated[Path | None, typer.Option(help="Write the scores of each image as CSV.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the metrics as a LaTeX table.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Print only the metrics of one of the paper's tasks; see `data list`.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    classes: Annotated[
        int | None,
        typer.Option(min=1, max=254, help="Number of classes, including background. Default: from the predictions."),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Threshold of Dice, IoU and the like on the map as saved.")] = 0.5,
    beta2: Annotated[float, typer.Option(help="β² of the F-measure.")] = 0.3,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first prediction that is missing, broken or unusual.")
    ] = False,
    processes: Processes = None,
    shard: Annotated[
        str, typer.Option(help="K/N: evaluate shard K of N; `evaluate-merge` merges their --json files.")
    ] = "1/1",
) -> None:
    """Compute the field's metrics for a folder of predictions."""
    from .. import evaluation
    from ..benchmark import task_named
    from ..evaluation import tables

    title = title or f"Evaluation of {predictions}"
    wanted = task_named(protocol).metrics if protocol else ()
    if evaluation.is_multiclass(predictions, classes):
        for option, given in (("--protocol", protocol), ("--latex", latex), ("--strict", strict),
                              ("--shard", shard != "1/1"), ("--threshold", threshold != 0.5),
                              ("--beta2", beta2 != 0.3), ("--processes", processes)):  # fmt: skip
            if given:
                raise InputError(f"{option} is for one class, these are several; --classes 1 makes them one")
        with progress("evaluating") as report_progress:
            result = evaluation.evaluate_multiclass(predictions, masks, classes, report_progress)
        tables.print_classes(result)
        if json:
            more = {"confusion": result.confusion.tolist(), "class_names": result.names}
            tables.write_json(json, result.metrics, predictions, masks, **more)
        with tables.csv_of_pictures(csv) as write:
            for item in result.items:
                write(item.name, {"mDice": item.dice})
        if html:
            evaluation.write_multiclass_report(html, result, title)
        return

    options = evaluation.Options(threshold, beta2, strict)
    with progress("evaluating") as report_progress, tables.csv_of_pictures(csv) as write:
        found = evaluation.evaluate_folder(
            predictions, masks, options, shard=parse_shard(shard), processes=processes, progress=report_progress,
            on_picture=lambda item: write(item.name, item.values),
        )  # fmt: skip
    metrics = found.totals.metrics()
    # A shard may hold no image, and then has no metrics.
    chosen = {name: metrics[name] for name in (*wanted, "images") if name in metrics} if wanted else metrics
    tables.print_metrics(chosen)
    if json:
        tables.write_json(json, metrics, predictions, masks, shard=shard, **found.as_json())
    if latex:
        tables.write_latex(latex, chosen, predictions.name)
    if html:
        evaluation.write_report(html, found, title)
    _print_issues(found)


def evaluate_merge(
    parts: Annotated[list[Path], typer.Argument(help="Files of `evaluate --shard K/N --json`, for all K from 1 to N.")],
    json: Json = None,
) -> None:
    """Merge the results of all shards; the metrics equal, to the last digit, those of one evaluation."""
    from ..evaluation import tables

    found, predictions, masks = tables.merge_json(parts)
    metrics = found.totals.metrics()
    tables.print_metrics(metrics)
    if json:
        tables.write_json(json, metrics, predictions, masks, shard="1/1", **found.as_json())
    _print_issues(found)


def _print_issues(result: "Evaluation") -> None:
    """Print what the scores hide; exit code 1 if images were skipped."""
    for issue in result.remarks():
        print(f"sam2unet: {issue}", file=sys.stderr)
    if result.left_out:
        raise typer.Exit(1)

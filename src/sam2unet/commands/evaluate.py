"""sam2unet evaluate and evaluate-merge"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError
from .options import Processes, parse_shard, progress, with_data_options, with_options

if TYPE_CHECKING:
    from ..evaluation import Evaluation

Json = Annotated[Path | None, typer.Option(help="Write the metrics as JSON.")]


@with_data_options
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A folder of probability maps or masks.")],
    truth: Annotated[Path, typer.Argument(metavar="MASKS", help="A folder of masks, or of images and masks.")],
    data_options: dict[str, Any],
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
    roi: Annotated[
        str | None,
        typer.Option(help='Pattern of masks of the region of interest, relative to MASKS, such as "mask/*".'),
    ] = None,
    ignored: Annotated[
        Literal["excluded", "background"],
        typer.Option(help="Leave ignored pixels out of all metrics, or count them as background."),
    ] = "excluded",
    processes: Processes = None,
    shard: Annotated[
        str, typer.Option(help="K/N: evaluate shard K of N; `evaluate-merge` merges their --json files.")
    ] = "1/1",
) -> None:
    """Compute the field's metrics for a folder of predictions."""
    from .. import evaluation
    from ..benchmark import task_named
    from ..data import DataOptions

    part, options = parse_shard(shard), evaluation.Options(threshold, beta2, strict, ignored=ignored)
    chosen = task_named(protocol).metrics if protocol else ()
    for option, is_set in (("--protocol", protocol), ("--threshold", threshold != 0.5), ("--beta2", beta2 != 0.3)):
        if is_set and evaluation.is_multiclass(predictions, classes):
            raise InputError(f"{option} is for one class, but {predictions} has several; omit it or pass --classes 1")
    with progress("evaluating") as report_progress, evaluation.open_csv(csv) as write:
        result = evaluation.evaluate_folder(
            predictions, truth, options, classes=classes, shard=part, processes=processes, roi=roi,
            data_options=DataOptions(**data_options), progress=report_progress,
            on_image=lambda image: write(image.name, image.values),
        )  # fmt: skip
    evaluation.print_metrics(result, chosen)
    if json:
        evaluation.write_json(json, result, predictions, truth, part)
    if latex:
        evaluation.write_latex(latex, result, predictions.name, chosen)
    if html:
        evaluation.write_report(html, result, title or f"Evaluation of {predictions}")
    _print_issues(result)


def evaluate_merge(
    parts: Annotated[list[Path], typer.Argument(help="Files of `evaluate --shard K/N --json`, for all K from 1 to N.")],
    json: Json = None,
) -> None:
    """Merge the results of all shards; the metrics equal, to the last digit, those of one evaluation."""
    from ..evaluation import merge_json, print_metrics, write_json

    result, predictions, masks = merge_json(parts)
    print_metrics(result)
    if json:
        write_json(json, result, predictions, masks)
    _print_issues(result)


def _print_issues(result: "Evaluation") -> None:
    """Print what the scores hide; exit code 1 if images were skipped."""
    for sentence in result.describe_readings():
        print(sentence, file=sys.stderr)
    for issue in result.issues():
        print(f"sam2unet: {with_options(issue)}", file=sys.stderr)
    if result.skipped:
        raise typer.Exit(1)

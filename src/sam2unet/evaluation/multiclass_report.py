"""The sections of a report on several classes: metrics, the confusion matrix, the worst and best images."""

import html

from ..data import class_colours
from ..pages import UNLABELLED, classes_image, figure, format_score, histogram, legend, load_or_blank, tile
from .confusion_matrix import ConfusionMatrix
from .evaluation import Evaluation, ImageScores, Options, read_truth
from .multiclass_metrics import Counts
from .prediction_file import read_indices

MEANINGS = {
    "mIoU": "intersection over union, mean over the classes", "mDice": "overlap, mean over the classes",
    "accuracy": "fraction of the labelled pixels that are correct",
}  # fmt: skip


def multiclass_sections(evaluation: Evaluation, matrix: ConfusionMatrix) -> str:
    """Return the sections as HTML; `matrix` is the evaluation's."""
    metrics, images, names = matrix.metrics(), matrix.images, matrix.names
    worst, best = ("".join(_figure(image, len(names), evaluation.options) for image in shown)
                   for shown in (evaluation.worst[: (images + 1) // 2], evaluation.best[: images // 2]))  # fmt: skip
    ignored = [("ignored", UNLABELLED)] if matrix.ignored_pixels else []
    colours = legend([*list(zip(names, class_colours(len(names)).tolist(), strict=True))[1:], *ignored])
    tiles = "".join(tile(format_score(metrics[name], 3), name, meaning) for name, meaning in MEANINGS.items())
    return f"""<div class="tiles">{tiles}</div>
<h2>Classes</h2>{_class_table(matrix)}
<p class="dim">Over the pixels of all images; – for a class in neither prediction nor truth.</p>
<h2>Confusion matrix</h2>{_matrix_table(matrix)}
<p class="dim">Percentage of each true class (row) that was predicted as each class (column); empty for no pixel.</p>
<h2>Mean Dice of each image</h2>{histogram(evaluation.dice_histogram, "mean Dice")}
<p class="dim">Over the classes in prediction or truth, without {html.escape(names[0])}.</p>
<h2>Lowest mean Dice</h2><p class="dim">The image, the truth, and the prediction: {colours}</p>
<div class="grid">{worst}</div>
<h2>Highest mean Dice</h2><div class="grid">{best}</div>"""


def _class_table(matrix: ConfusionMatrix) -> str:
    metrics, names = matrix.metrics(), matrix.names
    fractions = matrix.counts.sum(axis=1) / max(1, matrix.counts.sum())
    rows = "".join(
        f"<tr><td>{legend([(name, colour)])}</td><td>{format_score(metrics[f'IoU/{name}'])}</td>"
        f"<td>{format_score(metrics[f'Dice/{name}'])}</td><td>{fraction:.1%}</td></tr>"
        for name, colour, fraction in zip(names, class_colours(len(names)).tolist(), fractions, strict=True)
    )
    for title, suffix in (("mean", ""), (f"mean without {names[0]}", "_foreground")):
        iou, dice = (format_score(metrics[f"{metric}{suffix}"]) for metric in ("mIoU", "mDice"))
        rows += f"<tr><th>{html.escape(title)}</th><th>{iou}</th><th>{dice}</th><th></th></tr>"
    head = "<tr><th>class</th><th>IoU</th><th>Dice</th><th>fraction of pixels</th></tr>"
    return f'<table class="numbers">{head}{rows}</table>'


def _matrix_table(matrix: ConfusionMatrix) -> str:
    """Return the confusion matrix as a heat map; each row adds up to 100."""
    names = [html.escape(name) for name in matrix.names]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(f"<tr><th>{n}</th>{_cells(row)}</tr>" for n, row in zip(names, matrix.counts, strict=True))
    return f'<div class="scroll"><table class="numbers heat"><tr><th></th>{head}</tr>{rows}</table></div>'


def _cells(counts: Counts) -> str:
    percentages = [(n, 100 * n / counts.sum() if n else 0) for n in counts.tolist()]
    # At most half the colour, so that the text is readable on it in light and dark.
    return "".join(
        f'<td style="--heat: {percentage / 2:.1f}%" title="{n} pixels">{f"{percentage:.1f}" if n else ""}</td>'
        for n, percentage in percentages
    )


def _figure(image: ImageScores, classes: int, options: Options) -> str:
    found = read_indices(image.prediction, classes)
    truth = read_truth(image, found, options, classes, []).labels
    background = load_or_blank(image.image, (found.shape[1], found.shape[0]))
    shown = [background] * (image.image is not None) + [classes_image(background, x) for x in (truth, found)]
    return figure(shown, image.name, format_score(image.dice, 3))

"""The report of several classes: metrics, what was taken for what, the worst and the best pictures."""

import html
from pathlib import Path

from ..data import class_colours, read_mask
from ..data.mask_file import class_indices
from ..files import atomic_path
from ..pages import (
    UNLABELLED,
    classes_image,
    figure,
    histogram,
    legend,
    load_or_blank,
    page,
    tile,
    twentieths,
    worst_and_best,
)
from .multiclass_folder import MulticlassEvaluation, MulticlassImageScores, read_indices
from .multiclass_metrics import Counts
from .tables import shown

MEANINGS = {
    "mIoU": "intersection over union, mean over the classes", "mDice": "overlap, mean over the classes",
    "accuracy": "share of the labelled pixels",
}  # fmt: skip


def write_multiclass_report(path: Path, result: MulticlassEvaluation, title: str) -> None:
    """Write the page; it needs no other file and no network."""
    metrics, classes = result.metrics, len(result.names)
    worst, best = ("".join(_figure(item, classes) for item in items) for items in
                   worst_and_best(result.items, lambda item: item.dice))  # fmt: skip
    colours = class_colours(classes).tolist()
    ignored = [("not labelled", UNLABELLED)] if result.unlabelled else []
    words = legend([*zip(result.names[1:], colours[1:], strict=True), *ignored])
    body = f"""<p class="dim">{len(result.items)} pictures · {classes} classes · predictions:
{html.escape(str(result.items[0].prediction.parent))}</p>
<div class="tiles">{"".join(tile(shown(metrics[n], 3), n, meaning) for n, meaning in MEANINGS.items())}</div>
<h2>Classes</h2>{_class_table(result)}
<p class="dim">Over the pixels of all pictures at once; – where neither prediction nor truth holds the class.</p>
<h2>What was taken for what</h2>{_matrix(result)}
<p class="dim">Of the pixels that are of a class (row) the share, in percent, that was found as each (column); empty
where there is none.</p>
<h2>Mean Dice of each picture</h2>{histogram(twentieths([item.dice for item in result.items]), "mean Dice")}
<p class="dim">Over the classes but {html.escape(result.names[0])} that prediction or truth holds.</p>
<h2>Lowest mean Dice</h2><p class="dim">The picture, the truth, and the prediction: {words}</p>
<div class="grid">{worst}</div>
<h2>Highest mean Dice</h2><div class="grid">{best}</div>"""
    with atomic_path(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")


def _class_table(result: MulticlassEvaluation) -> str:
    metrics, share = result.metrics, result.confusion.sum(axis=1) / max(1, result.confusion.sum())
    rows = "".join(
        f"<tr><td>{legend([(name, colour)])}</td><td>{shown(metrics[f'IoU/{name}'])}</td>"
        f"<td>{shown(metrics[f'Dice/{name}'])}</td><td>{part:.1%}</td></tr>"
        for name, colour, part in zip(result.names, class_colours(len(result.names)).tolist(), share, strict=True)
    )
    for word, suffix in (("mean", ""), (f"mean without {result.names[0]}", "_foreground")):
        iou, dice = metrics[f"mIoU{suffix}"], metrics[f"mDice{suffix}"]
        rows += f"<tr><th>{html.escape(word)}</th><th>{shown(iou)}</th><th>{shown(dice)}</th><th></th></tr>"
    head = "<tr><th>class</th><th>IoU</th><th>Dice</th><th>share of pixels</th></tr>"
    return f'<table class="numbers">{head}{rows}</table>'


def _matrix(result: MulticlassEvaluation) -> str:
    """The confusion matrix, each row's sum 100, as a heat map."""
    names = [html.escape(name) for name in result.names]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(f"<tr><th>{n}</th>{_cells(row)}</tr>" for n, row in zip(names, result.confusion, strict=True))
    return f'<div class="scroll"><table class="numbers heat"><tr><th></th>{head}</tr>{rows}</table></div>'


def _cells(counts: Counts) -> str:
    shares = [(n, 100 * n / counts.sum() if n else 0) for n in counts.tolist()]
    # Half the heat, so that the text stays readable on it in light and dark.
    return "".join(
        f'<td style="--heat: {share / 2:.1f}%" title="{n} pixels">{f"{share:.1f}" if n else ""}</td>'
        for n, share in shares
    )


def _figure(item: MulticlassImageScores, classes: int) -> str:
    found, truth = read_indices(item.prediction, classes), class_indices(read_mask(item.mask), classes, item.mask)
    picture = load_or_blank(item.image, (found.shape[1], found.shape[0]))
    pictures = [picture] * (item.image is not None) + [classes_image(picture, indices) for indices in (truth, found)]
    return figure(pictures, item.name, f"{item.dice:.3f}")

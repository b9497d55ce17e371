"""What a run looks like: one self-contained page, written anew after each epoch; and the same in TensorBoard."""

import html
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from ..data import DataCheck, Pair, check_rows, class_colours, read_image, read_mask
from ..files import atomic_path
from ..network import SAM2UNet
from ..pages import (
    OUTCOMES,
    classes_image,
    curves,
    figure,
    histogram,
    legend,
    outcome_image,
    page,
    tile,
    twentieths,
    worst_and_best,
)
from ..weights import load_model
from .recipe import Recipe
from .samples import Preprocessing

Shown = Sequence[tuple[str, Sequence[tuple[str, float, list[Image.Image]]]]]
"""A heading and its pictures: name, Dice, the picture, of several classes the truth, and what was found in it."""


@dataclass(frozen=True)
class Report:
    """A run's `report.html`: what stays the same from epoch to epoch."""

    folder: Path
    recipe: Recipe
    check: DataCheck
    pairs: tuple[int, int]
    """Training and validation pairs."""
    environment: dict[str, str]

    def write(
        self, history: list[dict[str, float]], best: dict[str, float], dice: Sequence[float], shown: Shown = ()
    ) -> None:
        """Write the page; `dice` of each validation picture in the best epoch."""
        with atomic_path(self.folder / "report.html") as partial:
            partial.write_text(self.page(history, best, dice, shown), encoding="utf-8")

    def page(
        self, history: list[dict[str, float]], best: dict[str, float], dice: Sequence[float], shown: Shown = ()
    ) -> str:
        """The HTML."""
        recipe, done = self.recipe, len(history)
        state = "" if done == recipe.epochs else f" · {done} of {recipe.epochs} epochs so far"
        tiles = [
            tile(f"{best['val_dice']:.3f}", "Dice", "of the validation pictures, mean, at 0.5"),
            tile(f"{best['val_iou']:.3f}", "IoU", "likewise" if recipe.classes == 1 else "mean over the classes"),
            tile(f"{best['epoch']:.0f}", "best epoch", f"of {done}; its model is best.safetensors"),
            tile(duration(sum(row["seconds"] for row in history)), "training time", "validation counted"),
        ]
        if recipe.classes == 1:
            tiles.insert(3, tile(f"{best['threshold']:.2f}", "threshold", "with the highest mean Dice, best epoch"))
        parts = [
            f'<p class="dim">{self.pairs[0]} pictures to train on, {self.pairs[1]} to validate{state}</p>',
            f'<div class="tiles">{"".join(tiles)}</div>',
            f'<h2>Curves</h2><div class="charts">{self._curves(history, best)}</div>',
            self._classes(best),
            f"<h2>Dice of each validation picture</h2>{histogram(twentieths(dice), 'Dice')}" if len(dice) else "",
            self._figures(shown),
            "<h2>Recipe</h2>" + facts((k, _plain(v)) for k, v in recipe.model_dump(mode="json").items()),
            "<h2>Data</h2>" + self._data(),
            "<h2>Environment</h2>" + facts(self.environment.items(), wide=True),
            f"<h2>Go on</h2><pre>{html.escape(self._commands())}</pre>",
        ]
        return page(f"Training of {self.folder.absolute().name}", "\n".join(parts))

    def _curves(self, history: list[dict[str, float]], best: dict[str, float]) -> str:
        epochs = [row["epoch"] for row in history]
        mark = (best["epoch"], f"best, {best['val_dice']:.3f}")
        shown: list[tuple[str, dict[str, str], tuple[float, float] | None, tuple[float, str] | None]] = [
            ("Loss", {"training": "loss", "validation": "val_loss"}, None, None),
            ("Validation", {"Dice": "val_dice", "IoU": "val_iou"}, (0, 1), mark),
            ("Learning rate", {"lr": "lr"}, None, None),
        ]
        if self.recipe.classes == 1:
            shown.append(("Best threshold", {"threshold": "threshold"}, (0, 1), None))
        drawn = "".join(
            curves(title, epochs, {n: [row[key] for row in history] for n, key in lines.items()}, "epoch", span, at)
            for title, lines, span, at in shown
        )
        if self.recipe.classes > 1:
            colours = [f"rgb({r}, {g}, {b})" for r, g, b in class_colours(self.recipe.classes).tolist()[1:]]
            each = {name: [row[f"val_dice/{name}"] for row in history] for name in self._names()[1:]}
            drawn += curves("Dice of each class, all pixels", epochs, each, "epoch", (0, 1), colours=colours)
        return drawn

    def _names(self) -> list[str]:
        return self.recipe.class_names or [str(i) for i in range(self.recipe.classes)]

    def _classes(self, best: dict[str, float]) -> str:
        if self.recipe.classes == 1:
            return ""
        rows = "".join(
            f"<tr><td>{legend([(name, colour)])}</td><td>{_number(best[f'val_dice/{name}'])}</td>"
            f"<td>{_number(best[f'val_iou/{name}'])}</td></tr>"
            for name, colour in zip(self._names(), class_colours(self.recipe.classes).tolist(), strict=True)
        )
        head = "<tr><th>class</th><th>Dice</th><th>IoU</th></tr>"
        return f'<h2>Classes</h2><table class="numbers">{head}{rows}</table>'

    def _figures(self, shown: Shown) -> str:
        colours = class_colours(self.recipe.classes).tolist()[1:]
        entries = OUTCOMES if self.recipe.classes == 1 else list(zip(self._names()[1:], colours, strict=True))
        what = "and what of the object was" if self.recipe.classes == 1 else "the truth, and what was found:"
        return "".join(
            f'<h2>{heading}</h2><p class="dim">The picture, {what} {legend(entries)}</p><div class="grid">'
            + "".join(figure(drawn, name, f"{dice:.3f}") for name, dice, drawn in pictures)
            + "</div>"
            for heading, pictures in shown
            if pictures
        )

    def _data(self) -> str:
        head, *rows = check_rows(self.check)
        table = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        for row in rows:
            table += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        notes = "".join(f'<p class="dim">{html.escape(text)}</p>' for text in self.check.warnings)
        root = f'<p class="dim">{html.escape(str(self.check.root))}</p>'
        return f'{root}<div class="scroll"><table>{table}</table></div>{notes}'

    def _commands(self) -> str:
        best = shlex.quote(str(self.folder / "best.safetensors"))
        return (
            f"sam2unet predict {best} PICTURES --out masks --overlay\n"
            f"sam2unet train NEW_PICTURES --recipe {best} --out runs/again\n"
            f"sam2unet train NEW_PICTURES --set start_from={best} --out runs/further"
        )

    def to_tensorboard(self, shown: Shown, step: int) -> None:
        """The recipe and the pictures, beside the curves that are there."""
        with SummaryWriter(self.folder / "tensorboard") as writer:
            recipe = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            writer.add_text("recipe", "```\n" + recipe + "```", step)
            writer.add_text("environment", "\n".join(f"{k}: {v}  " for k, v in self.environment.items()), step)
            for heading, pictures in shown:
                for name, _, drawn in pictures:
                    beside = np.concatenate([np.asarray(picture) for picture in drawn], axis=1)
                    writer.add_image(f"{heading}/{name}", beside, step, dataformats="HWC")


def pick_examples(
    model_file: Path, pairs: Sequence[Pair], dice: Sequence[float], device: torch.device,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Shown:  # fmt: skip
    """The validation pictures with the lowest and the highest Dice, and what the model finds in them."""
    model = load_model(model_file).to(device)
    worst, best = worst_and_best(zip(pairs, dice, strict=True), lambda item: item[1])
    chosen = [*worst, *best]
    drawn = []
    for done, (pair, value) in enumerate(chosen):
        progress(done, len(chosen))
        drawn.append((pair.key, value, _drawn(model, pair, device)))
    return [("Lowest Dice", drawn[: len(worst)]), ("Highest Dice", drawn[len(worst) :])]


@torch.inference_mode()
def _drawn(model: SAM2UNet, pair: Pair, device: torch.device) -> list[Image.Image]:
    """A picture, of several classes the truth, and what the model finds in it, small enough for a page."""
    card = model.card
    picture = read_image(pair.image, card.normalise_range)
    logits = model(Preprocessing(card.size, card.mean, card.std).image(picture)[None].to(device))
    mask = read_mask(pair.mask)
    picture.thumbnail((480, 480))
    size = picture.size
    logits = F.interpolate(logits, size=size[::-1], mode="bilinear")[0].cpu()
    if card.classes > 1:
        truth = np.asarray(Image.fromarray(mask.values).resize(size, Image.Resampling.NEAREST))
        return [picture, *(classes_image(picture, x) for x in (truth, logits.argmax(dim=0).numpy().astype(np.uint8)))]
    truth, known = (
        np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST)) > 0.5
        for values in (mask.foreground() > 127, mask.known())
    )
    return [picture, outcome_image(picture, (logits[0] >= 0).numpy() & known, truth)]


def environment(device: torch.device, precision: str, processes: int) -> dict[str, str]:
    """What a run depends on beside data and recipe."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    packages = ", ".join(f"{package} {version(package)}" for package in ("sam2unet", "torch", "lightning", "kornia"))
    return {
        "device": f"{device.type}: {name}", "precision": precision,
        "processes": f"{processes}, {torch.get_num_threads()} threads each, {os.cpu_count()} cores",
        "packages": packages, "Python": f"{platform.python_version()} on {platform.platform()}",
    }  # fmt: skip


def processor() -> str:
    """The processor's name as Linux tells it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def facts(rows: Iterable[tuple[str, str]], wide: bool = False) -> str:
    """Names and values, in two columns if they are short."""
    cells = "".join(
        f'<div><span class="dim">{html.escape(k)}</span><span>{html.escape(v)}</span></div>' for k, v in rows
    )
    return f'<div class="facts{" one" if wide else ""}">{cells}</div>'


def duration(seconds: float) -> str:
    """1:05:09, or 5:09 below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4f}"


def _plain(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).removesuffix("...\n").strip()

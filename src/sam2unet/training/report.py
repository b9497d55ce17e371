"""The report of a run: one self-contained page, rewritten after each epoch; and the same in TensorBoard."""

import html
import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from ..data import DataCheck, check_rows, class_colours
from ..files import atomic_path
from ..pages import (
    OUTCOMES,
    curves,
    facts,
    figure,
    format_duration,
    format_score,
    histogram,
    legend,
    page,
    tile,
    twentieths,
)
from .recipe import Recipe


@dataclass(frozen=True)
class Example:
    """A validation image, drawn."""

    name: str
    dice: float
    images: list[Image.Image]
    """The image; for several classes also the ground truth; and the prediction."""


Examples = Sequence[tuple[str, Sequence[Example]]]
"""Headings, each with its examples."""


@dataclass(frozen=True)
class Report:
    """A run's `report.html`; the fields are what stays the same from epoch to epoch."""

    folder: Path
    """The run's folder."""
    recipe: Recipe
    check: DataCheck
    num_pairs: tuple[int, int]
    """Training and validation pairs."""
    epochs: int
    """Of the whole run."""
    environment: dict[str, str]
    """Device, versions and the like; see `describe_environment`."""

    def write(
        self, history: list[dict[str, float]], best: dict[str, float], dice: Sequence[float], examples: Examples = ()
    ) -> None:
        """Write the page.

        Args:
            history: a row of metrics per epoch so far.
            best: the row of the best epoch.
            dice: of each validation image in the best epoch.
            examples: drawn validation images.
        """
        with atomic_path(self.folder / "report.html") as partial:
            partial.write_text(self.page(history, best, dice, examples), encoding="utf-8")

    def page(
        self, history: list[dict[str, float]], best: dict[str, float], dice: Sequence[float], examples: Examples = ()
    ) -> str:
        """Return the page's HTML; the arguments are those of `write`."""
        done = len(history)
        state = "" if done == self.epochs else f" · {done} of {self.epochs} epochs so far"
        sections = [
            f'<p class="dim">{self.num_pairs[0]} training images, {self.num_pairs[1]} validation images{state}</p>',
            f'<div class="tiles">{self._tiles(history, best)}</div>',
            f'<h2>Curves</h2><div class="charts">{self._curves(history, best)}</div>',
            self._classes(best),
            f"<h2>Dice of the validation images</h2>{histogram(twentieths(dice), 'Dice')}" if len(dice) else "",
            self._examples(examples),
            "<h2>Recipe</h2>" + facts((k, _as_yaml(v)) for k, v in self.recipe.model_dump(mode="json").items()),
            "<h2>Data</h2>" + self._data(),
            "<h2>Environment</h2>" + facts(self.environment.items(), wide=True),
            f"<h2>Next steps</h2><pre>{html.escape(self._commands())}</pre>",
        ]
        return page(f"Training of {self.folder.absolute().name}", "\n".join(sections))

    def _tiles(self, history: list[dict[str, float]], best: dict[str, float]) -> str:
        one_class = self.recipe.classes == 1
        seconds = sum(row["seconds"] for row in history)
        tiles = [
            tile(f"{best['val_dice']:.3f}", "Dice", "mean over the validation images, at threshold 0.5"
                 if one_class else "mean over the validation images"),
            tile(f"{best['val_iou']:.3f}", "IoU", "mean over the validation images, at threshold 0.5"
                 if one_class else "mean over the classes"),
            tile(f"{best['epoch']:.0f}", "best epoch", f"of {len(history)}; its model is best.safetensors"),
            tile(format_duration(seconds), "training time", "including validation"),
        ]  # fmt: skip
        if one_class:
            tiles.insert(3, tile(f"{best['threshold']:.2f}", "threshold", "of highest mean Dice in the best epoch"))
        return "".join(tiles)

    def _curves(self, history: list[dict[str, float]], best: dict[str, float]) -> str:
        epochs = [row["epoch"] for row in history]
        mark = (best["epoch"], f"best, {best['val_dice']:.3f}")
        charts: list[tuple[str, dict[str, str], tuple[float, float] | None, tuple[float, str] | None]] = [
            ("Loss", {"training": "loss", "validation": "val_loss"}, None, None),
            ("Validation", {"Dice": "val_dice", "IoU": "val_iou"}, (0, 1), mark),
            ("Learning rate", {"lr": "lr"}, None, None),
        ]
        if self.recipe.classes == 1:
            charts.append(("Best threshold", {"threshold": "threshold"}, (0, 1), None))
        drawn = "".join(
            curves(title, epochs, {n: [row[key] for row in history] for n, key in lines.items()}, "epoch", span, at)
            for title, lines, span, at in charts
        )
        if self.recipe.classes > 1:
            colours = [f"rgb({r}, {g}, {b})" for r, g, b in class_colours(self.recipe.classes).tolist()[1:]]
            dice = {name: [row[f"val_dice/{name}"] for row in history] for name in self._class_names()[1:]}
            drawn += curves("Dice of each class, all pixels", epochs, dice, "epoch", (0, 1), colours=colours)
        return drawn

    def _class_names(self) -> list[str]:
        return self.recipe.class_names or [str(i) for i in range(self.recipe.classes)]

    def _classes(self, best: dict[str, float]) -> str:
        if self.recipe.classes == 1:
            return ""
        rows = "".join(
            f"<tr><td>{legend([(name, colour)])}</td><td>{format_score(best[f'val_dice/{name}'])}</td>"
            f"<td>{format_score(best[f'val_iou/{name}'])}</td></tr>"
            for name, colour in zip(self._class_names(), class_colours(self.recipe.classes).tolist(), strict=True)
        )
        head = "<tr><th>class</th><th>Dice</th><th>IoU</th></tr>"
        return f'<h2>Classes</h2><table class="numbers">{head}{rows}</table>'

    def _examples(self, examples: Examples) -> str:
        colours = class_colours(self.recipe.classes).tolist()[1:]
        entries = OUTCOMES if self.recipe.classes == 1 else list(zip(self._class_names()[1:], colours, strict=True))
        caption = "Image and prediction:" if self.recipe.classes == 1 else "Image, ground truth and prediction:"
        return "".join(
            f'<h2>{heading}</h2><p class="dim">{caption} {legend(entries)}</p><div class="grid">'
            + "".join(figure(example.images, example.name, f"{example.dice:.3f}") for example in group)
            + "</div>"
            for heading, group in examples
            if group
        )

    def _data(self) -> str:
        head, *rows = check_rows(self.check)
        table = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        for row in rows:
            table += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        warnings = "".join(f'<p class="dim">{html.escape(text)}</p>' for text in self.check.warnings)
        root = f'<p class="dim">{html.escape(str(self.check.root))}</p>'
        return f'{root}<div class="scroll"><table>{table}</table></div>{warnings}'

    def _commands(self) -> str:
        best = shlex.quote(str(self.folder / "best.safetensors"))
        return (
            f"sam2unet predict {best} IMAGES --out masks --overlay\n"
            f"sam2unet train NEW_DATA --recipe {best} --out runs/again\n"
            f"sam2unet train NEW_DATA --set start_from={best} --out runs/further"
        )

    def to_tensorboard(self, examples: Examples, step: int) -> None:
        """Add recipe, environment and examples to the run's TensorBoard log, which has the curves already."""
        with SummaryWriter(self.folder / "tensorboard") as writer:
            recipe = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            writer.add_text("recipe", "```\n" + recipe + "```", step)
            writer.add_text("environment", "\n".join(f"{k}: {v}  " for k, v in self.environment.items()), step)
            for heading, group in examples:
                for example in group:
                    row = np.concatenate([np.asarray(image) for image in example.images], axis=1)
                    writer.add_image(f"{heading}/{example.name}", row, step, dataformats="HWC")


def describe_environment(device: torch.device, precision: str, processes: int) -> dict[str, str]:
    """Return what a run depends on besides data and recipe, as text by name."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    packages = ", ".join(f"{package} {version(package)}" for package in ("sam2unet", "torch", "lightning", "kornia"))
    return {
        "device": f"{device.type}: {name}", "precision": precision,
        "processes": f"{processes}, {torch.get_num_threads()} threads each, {os.cpu_count()} cores",
        "packages": packages, "Python": f"{platform.python_version()} on {platform.platform()}",
    }  # fmt: skip


def processor_name() -> str:
    """Return the processor's name according to Linux, else to Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _as_yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("...\n").strip()

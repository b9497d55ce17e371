"""Fraction of training that is spent waiting for the loader.

    python speed/loading.py DATA --trunk tiny --batch 4 --size 352

Trains from scratch on DATA as `sam2unet train` does and adds up how long the loop waited for its next batch. The first
batches, for which the loader's workers start, are left out. Workers that share the processor with the training step
also lengthen that; --workers 0 shows all the time that loading takes.
"""

import argparse
import dataclasses
import statistics
import tempfile
import warnings
from pathlib import Path

from lightning.pytorch.profilers import SimpleProfiler
from results import add_json_option, report

from sam2unet.data import check_pairs, find_pairs, training_split
from sam2unet.system import find_device, retain_freed_memory
from sam2unet.training import load_recipe
from sam2unet.training.build import build_model, build_trainer
from sam2unet.training.checkpoints import CheckpointFiles
from sam2unet.training.loading import PairDataModule, RunLength
from sam2unet.training.module import SegmentationModule

HEAD = ["workers", "batch", "size", "s per step: median", "ms of waiting per step: median", "waiting, % of the time"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of pairs")
    parser.add_argument("--trunk", default="tiny", help="trunk of the network")
    parser.add_argument("--batch", type=int, default=4, help="images per batch")
    parser.add_argument("--size", type=int, default=352, help="height and width of the network's input")
    parser.add_argument("--workers", type=int, default=2, help="processes of the loader")
    parser.add_argument("--warm-up", type=int, default=5, help="batches left out at the start")
    parser.add_argument("--batches", type=int, default=40, help="measured batches")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json_option(parser)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Seconds of waiting before each measured step, and of each step."""
    recipe = load_recipe("general", {"trunk": options.trunk, "trunk_weights": "none", "batch_size": options.batch,
                                     "size": options.size, "workers": options.workers, "epochs": 1000})  # fmt: skip
    listing = find_pairs(options.data)
    training, validation = training_split(listing, recipe.val_share, recipe.seed, None)
    model = build_model(recipe, None)
    model.card = dataclasses.replace(model.card, mask_values=str(check_pairs(listing).reading))
    length = RunLength(1000, 10)
    module = SegmentationModule(model, recipe, [pair.image for pair in training], len(validation), length)
    profiler = SimpleProfiler()
    with retain_freed_memory(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        device = find_device(options.device)
        files = CheckpointFiles(Path(folder))
        trainer = build_trainer(recipe, length.epochs, Path(folder), device, [], files, 0)
        trainer.profiler = profiler  # type: ignore[attr-defined]
        trainer.fit_loop.epoch_loop.max_steps = options.warm_up + options.batches
        trainer.limit_val_batches = 0
        trainer.fit(module, PairDataModule(training, validation, model.card, recipe))
    waits, steps = (
        profiler.recorded_durations[name][options.warm_up :]
        for name in ("[_TrainingEpochLoop].train_dataloader_next", "run_training_batch")
    )
    return waits, steps


def summarise(waits: list[float], steps: list[float]) -> list[str]:
    """Cells of the table: median of the steps and of the waits, and waiting's percentage of both together."""
    percentage = 100 * sum(waits) / (sum(waits) + sum(steps))
    return [f"{statistics.median(steps):.2f}", f"{1e3 * statistics.median(waits):.2f}", f"{percentage:.2f}"]


def main() -> None:
    options = parse_arguments()
    waits, steps = measure(options)
    setup = [str(options.workers), str(options.batch), f"{options.size}x{options.size}"]
    figures = {"waiting_seconds": waits, "step_seconds": steps}
    report(HEAD, [[*setup, *summarise(waits, steps)]], figures, options.json)


if __name__ == "__main__":
    main()

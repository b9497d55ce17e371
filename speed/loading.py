"""How much of training is spent waiting for pictures.

    python speed/loading.py DATA --trunk tiny --batch 4 --size 352

Trains from scratch on DATA as `sam2unet train` does, with readers in processes of their own, and adds up how long the
loop waited for its next batch. The first batches, for which the readers start, are left out. Where the readers share
the processor with the steps, they also lengthen these; --workers 0 shows all that reading takes.
"""

import argparse
import statistics
import tempfile
import warnings
from pathlib import Path

from lightning.pytorch.profilers import SimpleProfiler

from sam2unet.data import find_pairs, training_split
from sam2unet.system import find_device, retain_freed_memory
from sam2unet.training.build import build_model, build_trainer
from sam2unet.training.checkpoints import ResumeFiles
from sam2unet.training.loading import PairDataModule
from sam2unet.training.module import SegmentationModule
from sam2unet.training.recipe import load_recipe


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of pairs")
    parser.add_argument("--trunk", default="tiny")
    parser.add_argument("--batch", type=int, default=4, help="pictures a batch")
    parser.add_argument("--size", type=int, default=352, help="side of the pictures in pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes that read")
    parser.add_argument("--warm-up", type=int, default=5, help="batches left out at the start")
    parser.add_argument("--batches", type=int, default=40, help="batches that count")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    recipe = load_recipe("general", {"trunk": options.trunk, "trunk_weights": "none", "batch_size": options.batch,
                                     "size": options.size, "workers": options.workers, "epochs": 1000})  # fmt: skip
    training, validation = training_split(find_pairs(options.data), recipe.val_share, recipe.seed, None)
    model = build_model(recipe, None)
    module = SegmentationModule(model, recipe, [pair.image for pair in training], len(validation), 10_000)
    profiler = SimpleProfiler()
    with retain_freed_memory(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        device = find_device(options.device)
        trainer = build_trainer(recipe, Path(folder), device, [], ResumeFiles(Path(folder)), 0)
        trainer.profiler = profiler
        trainer.fit_loop.epoch_loop.max_steps = options.warm_up + options.batches
        trainer.limit_val_batches = 0
        trainer.fit(module, PairDataModule(training, validation, model.card, recipe))
    waits, steps = (
        profiler.recorded_durations[name][options.warm_up :]
        for name in ("[_TrainingEpochLoop].train_dataloader_next", "run_training_batch")
    )
    total = sum(waits) + sum(steps)
    print(f"{len(steps)} batches of {options.batch} at {options.size}x{options.size}, {options.workers} readers: "
          f"{statistics.median(steps):.2f} s a step, {1e3 * statistics.median(waits):.2f} ms waiting before it; "
          f"waiting {100 * sum(waits) / total:.2f} % of the time")  # fmt: skip


if __name__ == "__main__":
    main()

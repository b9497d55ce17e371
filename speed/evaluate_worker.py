"""A timed process of speed/evaluate.py: evaluates a folder for each line on standard input.

python evaluate_worker.py FOLDER PROCESSES     # 0: by PySODMetrics
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def evaluate_by_pysodmetrics(folder: Path) -> dict[str, float]:
    """The field's metrics by PySODMetrics, image by image, as in its examples."""
    import py_sod_metrics as sod
    from PIL import Image

    mae, s, e, w = sod.MAE(), sod.Smeasure(), sod.Emeasure(), sod.WeightedFmeasure()
    f_dice_iou = sod.FmeasureV2({
        "F": sod.FmeasureHandler(beta=0.3, with_adaptive=True, with_dynamic=True),
        "Dice": sod.DICEHandler(with_adaptive=False, with_dynamic=True),
        "IoU": sod.IOUHandler(with_adaptive=False, with_dynamic=True),
    })  # fmt: skip
    for path in sorted((folder / "masks").iterdir()):
        mask, probability = (np.asarray(Image.open(file)) for file in (path, folder / "maps" / path.name))
        for metric in (mae, s, e, w, f_dice_iou):
            metric.step(pred=probability, gt=mask)
    em, curves = e.get_results()["em"], f_dice_iou.get_results()
    f = curves["F"]
    metrics = {
        "MAE": mae.get_results()["mae"], "S": s.get_results()["sm"], "wF": w.get_results()["wfm"],
        "E_adaptive": em["adp"], "E_mean": em["curve"].mean(), "E_max": em["curve"].max(),
        "F_adaptive": f["adaptive"], "F_mean": f["dynamic"].mean(), "F_max": f["dynamic"].max(),
        "mDice": curves["Dice"]["dynamic"].mean(), "mIoU": curves["IoU"]["dynamic"].mean(),
    }  # fmt: skip
    return {name: float(value) for name, value in metrics.items()}


def evaluate_by_ours(folder: Path, processes: int) -> dict[str, float]:
    """The metrics of this package."""
    import sam2unet

    return sam2unet.evaluate(folder / "maps", folder / "masks", processes=processes)


def main() -> None:
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")  # PySODMetrics divides by 0 on purpose
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        metrics = evaluate_by_ours(folder, processes) if processes else evaluate_by_pysodmetrics(folder)
        print(json.dumps({"seconds": time.perf_counter() - started, "metrics": metrics}), flush=True)


if __name__ == "__main__":
    main()

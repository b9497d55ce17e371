"""A side of speed/evaluate.py: evaluates a folder for each line that comes in, with so many processes of ours.

python evaluate_side.py FOLDER PROCESSES     # 0: PySODMetrics
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def pysodmetrics(folder: Path) -> dict[str, float]:
    """The field's metrics by PySODMetrics, picture after picture, as its examples do."""
    import py_sod_metrics as sod
    from PIL import Image

    mae, s, e, w = sod.MAE(), sod.Smeasure(), sod.Emeasure(), sod.WeightedFmeasure()
    counted = sod.FmeasureV2({
        "F": sod.FmeasureHandler(beta=0.3, with_adaptive=True, with_dynamic=True),
        "Dice": sod.DICEHandler(with_adaptive=False, with_dynamic=True),
        "IoU": sod.IOUHandler(with_adaptive=False, with_dynamic=True),
    })  # fmt: skip
    for path in sorted((folder / "masks").iterdir()):
        truth, found = (np.asarray(Image.open(file)) for file in (path, folder / "maps" / path.name))
        for metric in (mae, s, e, w, counted):
            metric.step(pred=found, gt=truth)
    em, curves = e.get_results()["em"], counted.get_results()
    f = curves["F"]
    metrics = {
        "MAE": mae.get_results()["mae"], "S": s.get_results()["sm"], "wF": w.get_results()["wfm"],
        "E_adaptive": em["adp"], "E_mean": em["curve"].mean(), "E_max": em["curve"].max(),
        "F_adaptive": f["adaptive"], "F_mean": f["dynamic"].mean(), "F_max": f["dynamic"].max(),
        "mDice": curves["Dice"]["dynamic"].mean(), "mIoU": curves["IoU"]["dynamic"].mean(),
    }  # fmt: skip
    return {name: float(value) for name, value in metrics.items()}


def ours(folder: Path, processes: int) -> dict[str, float]:
    """By this package."""
    import sam2unet

    return sam2unet.evaluate(folder / "maps", folder / "masks", processes=processes)


def main() -> None:
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")  # PySODMetrics divides by 0 on purpose
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        metrics = ours(folder, processes) if processes else pysodmetrics(folder)
        print(json.dumps({"seconds": time.perf_counter() - started, "metrics": metrics}), flush=True)


if __name__ == "__main__":
    main()

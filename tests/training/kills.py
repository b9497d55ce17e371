"""A run that is killed again and again: kills.py DATA OUT SETTINGS SEED [SHORTEST LONGEST], a script.

Each child process starts or resumes the run in OUT and is sent SIGKILL after a random time, until one gets through.
Prints the number of kills.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from sam2unet.network import TRUNKS, TrunkShape

TRUNKS["nano"] = TrunkShape(16, 1, (1, 1, 2, 1), (3,), (8, 4, 14, 7), 7)


def train(data: str, out: Path, settings: dict) -> None:
    from sam2unet.training import train

    begun = (out / "recipe.yaml").exists() and (out / "resume/run.json").exists()
    if begun:
        train(resume=out, device="cpu")
    else:
        train(data, out=out, device="cpu", **settings)


def main() -> None:
    data, out, settings, seed, *delays = sys.argv[1:]
    shortest, longest = map(float, delays or (0.2, 1.5))
    torch.set_num_threads(1)
    rng, kills = random.Random(int(seed)), 0
    import sam2unet.training  # noqa: F401, once for all children

    while True:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                train(data, Path(out), json.loads(settings))
                code = 0
            finally:
                os._exit(code)
        end = time.monotonic() + rng.uniform(shortest, longest)
        status = None
        while time.monotonic() < end and not status:
            pid, code = os.waitpid(child, os.WNOHANG)
            status = (code,) if pid else None
            time.sleep(0.002)
        if status:
            assert status[0] == 0, f"a child failed with {status[0]}"
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main()

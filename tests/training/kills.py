"""A run that is killed again and again; a script: kills.py DATA OUT SETTINGS SEED KILLS

Each child process starts or resumes the run in OUT and gets SIGKILL: one in three at a random time after its start, the
others at a random time after they have written a checkpoint, so that the run advances. Prints how many were killed.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from pico import register

register()


def train(data: str, out: Path, settings: dict) -> None:
    from sam2unet.training import train

    started = (out / "recipe.yaml").exists() and (out / "resume/run.json").exists()
    if started:
        train(resume=out, device="cpu")
    else:
        train(data, out=out, device="cpu", **settings)


def newest(out: Path) -> str:
    return max((path.name for path in (out / "resume").glob("step-*.ckpt")), default="")


def finished(child: int, seconds: float) -> bool:
    """Wait for a child; true if it ended by itself within so many seconds. It must not have failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0, f"a child failed with {status}"
            return True
        time.sleep(0.002)
    return False


def start(data: str, out: Path, settings: dict) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(data, out, settings)
            code = 0
        finally:
            os._exit(code)
    return child


def main() -> None:
    data, out, settings, seed, max_kills = sys.argv[1:]
    torch.set_num_threads(1)
    rng, kills = random.Random(int(seed)), 0
    import sam2unet.training  # noqa: F401 (once, before the children are forked)

    while True:
        before = newest(Path(out))
        child = start(data, Path(out), json.loads(settings))
        if kills >= int(max_kills):
            while not finished(child, 1):
                pass
            break
        done = False
        if rng.random() > 1 / 3:
            while newest(Path(out)) == before and not done:
                done = finished(child, 0.005)
        if done or finished(child, rng.uniform(0, 1)):
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main()

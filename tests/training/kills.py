"""A run that is killed again and again: kills.py DATA OUT SETTINGS SEED KILLS, a script.

Each child process starts or resumes the run in OUT and is sent SIGKILL, one in three at some time after its start, the
others at some time after it has written a file to resume from, so that the run gets on. Prints how many were killed
and how many began anew.
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
from nano import register

register()


def train(data: str, out: Path, settings: dict) -> None:
    from sam2unet.training import train

    begun = (out / "recipe.yaml").exists() and (out / "resume/run.json").exists()
    if begun:
        train(resume=out, device="cpu")
    else:
        train(data, out=out, device="cpu", **settings)


def newest(out: Path) -> str:
    return max((path.name for path in (out / "resume").glob("step-*.ckpt")), default="")


def finished(child: int, wait: float) -> bool:
    """Whether a child ended by itself, and well, within `wait` seconds."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0, f"a child failed with {status}"
            return True
        time.sleep(0.002)
    return False


def main() -> None:
    data, out, settings, seed, most = sys.argv[1:]
    torch.set_num_threads(1)
    rng, kills, anew = random.Random(int(seed)), 0, 0
    import sam2unet.training  # noqa: F401, once for all children

    while True:
        before = newest(Path(out))
        anew += not before
        child = os.fork()
        if child == 0:
            code = 1
            try:
                train(data, Path(out), json.loads(settings))
                code = 0
            finally:
                os._exit(code)
        if kills >= int(most):
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
    print(json.dumps({"kills": kills, "anew": anew}))


if __name__ == "__main__":
    main()

"""The processes of a distributed run, as torchrun describes them in the environment; the only place that reads it."""

import os
import time
from datetime import timedelta


def rank() -> int:
    """Index of this process among all; 0 without torchrun."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """Number of processes on all machines; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int | None:
    """Index of this process among those of this machine; None without torchrun."""
    value = os.environ.get("LOCAL_RANK")
    return None if value is None else int(value)


def local_world_size() -> int:
    """Number of processes on this machine; 1 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_main_process() -> bool:
    """True for the process that writes files and messages."""
    return rank() == 0


def wait_for_all_processes() -> None:
    """Wait until every process of torchrun gets here: torchrun kills all as soon as one exits with an error."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    from torch.distributed.rendezvous import rendezvous

    store, _, processes = next(iter(rendezvous("env://", timeout=timedelta(days=99))))
    store.add("sam2unet/done", 1)
    while store.add("sam2unet/done", 0) < processes:
        time.sleep(0.2)

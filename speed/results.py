"""Results as files: a script's table, its raw figures, and the machine, commit, date and command."""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from timed_process import ROOT

PACKAGES = ("torch", "lightning", "openvino", "onnxruntime", "pysodmetrics", "sam2unet")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add --json, whose default file is speed/results/NAME.json for the script NAME.py."""
    default = ROOT / "speed" / "results" / f"{Path(parser.prog).stem}.json"
    parser.add_argument(
        "--json", type=_json_file, nargs="?", const=default, metavar="FILE",
        help=f"write the result to a file (without FILE: {default.relative_to(ROOT)})",
    )  # fmt: skip


def _json_file(text: str) -> Path:
    if Path(text).suffix != ".json":  # else `--json MODEL` would overwrite the model
        raise argparse.ArgumentTypeError(f"{text}: name a .json file, or put --json last")
    return Path(text)


def report(head: list[str], rows: list[list[str]], figures: dict[str, Any], file: Path | None) -> None:
    """Print a table; if `file` is not None, write the result there."""
    print(markdown_table(head, rows), flush=True)
    if file:
        write_result(file, head, rows, figures)


def write_result(file: Path, head: list[str], rows: list[list[str]], figures: dict[str, Any]) -> None:
    """Write a result of this process as JSON.

    Args:
        file: replaced if it exists; its folder is created.
        head: names of the table's columns.
        rows: its cells as printed.
        figures: unrounded numbers behind them, such as the seconds of all rounds.
    """
    result = {
        "machine": describe_machine(),
        **git_state(ROOT),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": typed_command(sys.argv),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "table": {"head": head, "rows": rows},
        "figures": figures,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def describe_machine() -> dict[str, Any]:
    """Processor and its instructions, cores that this process may use, memory in GiB, graphics card, system."""
    import torch

    from sam2unet.system import cpu_flags, cpu_has_bf16

    cpus = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", cpus.read_text()) if cpus.exists() else []
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": cpu_has_bf16(),
        "amx": "amx_bf16" in cpu_flags(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "os": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
    }


def git_state(checkout: Path) -> dict[str, Any]:
    """The commit of a checkout, and whether files other than results differ from it; None outside of git."""

    changes = _git(checkout, "status", "--porcelain", "--", ".", ":!speed/results")
    return {"commit": _git(checkout, "rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def committed(checkout: Path, *paths: str) -> str | None:
    """Git's hashes of files and folders as committed; None outside of git, or if one of them differs from that."""
    changes = _git(checkout, "status", "--porcelain", "--", *paths)
    return None if changes else _git(checkout, "ls-tree", "HEAD", *paths)


def _git(checkout: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True)
    return None if done.returncode else done.stdout.strip()


def typed_command(argv: list[str]) -> str:
    """The command of a script as one types it; of paths the last component only.

    >>> typed_command(["/home/me/speed/train.py", "--upstream", "/home/me/SAM2-UNet/", "--set", "a=/tmp/b", "large:2"])
    'python speed/train.py --upstream SAM2-UNet --set a=b large:2'
    """
    words = [re.sub(r"[^=:;]*/", "", word.rstrip("/")) for word in argv[1:]]
    return shlex.join(["python", f"speed/{Path(argv[0]).name}", *words])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """Format a table in Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))

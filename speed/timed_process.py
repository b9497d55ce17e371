"""Processes that are timed against each other: they take turns, one step at a time, so none runs beside another."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""This checkout."""


@dataclass
class TimedProcess:
    """A process that replies to each line on its standard input with a line of JSON, after one step of its work.

    Its first line of JSON says that it is ready. A context manager: entering starts the process, leaving ends it.
    """

    variant: str
    """What it runs, for tables and messages."""
    command: list[str]
    folder: Path | None = None
    """Working directory; None for that of this process."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables in addition to those of this process."""
    seconds: list[float] = field(default_factory=list)
    """Durations of the timed steps."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    """One per step, those of the warm-up included."""

    def __enter__(self) -> "TimedProcess":
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=os.environ | self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._read_reply()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()  # a worker ends with its input, and so do the processes that it started
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def step(self) -> dict[str, Any]:
        """Run one step and return the reply."""
        assert self.process.stdin
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        self.replies.append(self._read_reply())
        return self.replies[-1]

    def _read_reply(self) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):  # libraries print other lines
                reply: dict[str, Any] = json.loads(line)
                return reply
        self.process.communicate()
        sys.exit(f"{self.variant}: ended with exit code {self.process.returncode} before it replied; see above")

    @property
    def median(self) -> float:
        """Median duration of the timed steps in seconds."""
        return statistics.median(self.seconds)


def package_process(variant: str, script: str, *arguments: str, checkout: Path = ROOT) -> TimedProcess:
    """A script of a checkout's speed/, run with the package of that checkout."""
    path = os.pathsep.join(filter(None, [str(checkout.absolute() / "src"), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, str(checkout.absolute() / "speed" / script), *arguments]
    return TimedProcess(variant, command, environment={"PYTHONPATH": path})


def upstream_process(python: str, checkout: Path, script: str, *arguments: str) -> TimedProcess:
    """A script of our speed/, run in a checkout of the authors' release by a Python that has what they need."""
    executable = shutil.which(python) or sys.exit(f"{python}: no such Python; choose another with --upstream-python")
    command = [str(Path(executable).absolute()), str(ROOT / "speed" / script), *arguments]
    return TimedProcess("upstream", command, folder=checkout)


def run_in_turn(processes: list[TimedProcess], warm_up: int, steps: int) -> None:
    """Start the processes, then let them take turns: `warm_up` untimed rounds and `steps` timed ones."""
    with ExitStack() as running:
        for process in processes:
            running.enter_context(process)
        started = time.monotonic()
        for done in range(warm_up + steps):
            _show_progress(done, warm_up + steps, time.monotonic() - started)
            for process in processes:
                reply = process.step()
                if done >= warm_up:
                    process.seconds.append(reply["seconds"])
        print("\r" + " " * 60, end="\r", file=sys.stderr)


def _show_progress(done: int, total: int, elapsed: float) -> None:
    left = f", {elapsed / done * (total - done) / 60:.1f} minutes left" if done else ""
    print(f"\r{done} of {total} rounds done{left} ", end="", file=sys.stderr, flush=True)

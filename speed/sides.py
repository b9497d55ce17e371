"""Processes that are timed against each other: each does its own step when it is asked to, none beside another."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass
class Side:
    """A process that answers each line on its standard input by a line of JSON.

    The first answer comes unasked, once it is ready.
    """

    name: str
    command: list[str]
    folder: Path | None = None
    """Where it runs."""
    seconds: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    """One for each step, the untimed ones too."""

    def __enter__(self) -> "Side":
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._hear()  # that it is ready
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()  # it ends where its input does, with what it started
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self) -> dict[str, Any]:
        """One more step."""
        assert self.process.stdin
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        self.answers.append(self._hear())
        return self.answers[-1]

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):  # whatever else libraries print
                answer: dict[str, Any] = json.loads(line)
                return answer
        self.process.communicate()
        sys.exit(f"{self.name}: ended with exit code {self.process.returncode} before it answered; see above")

    @property
    def median(self) -> float:
        """Of the timed steps, in seconds."""
        return statistics.median(self.seconds)


def upstream_side(python: str, checkout: Path, script: str, *words: str) -> Side:
    """The authors' release, in its own Python and folder."""
    found = shutil.which(python) or sys.exit(f"{python}: no such Python")
    return Side("upstream", [str(Path(found).absolute()), str(HERE / script), *words], checkout)


def alternate(sides: list[Side], warm_up: int, steps: int) -> None:
    """Start the sides and ask them in turn, `warm_up` times untimed and then `steps` times."""
    with ExitStack() as opened:
        for side in sides:
            opened.enter_context(side)
        _ask(sides, warm_up, steps)


def _ask(sides: list[Side], warm_up: int, steps: int) -> None:
    started = time.monotonic()
    for step in range(warm_up + steps):
        for side in sides:
            answer = side.ask()
            if step >= warm_up:
                side.seconds.append(answer["seconds"])
        done, left = step + 1, warm_up + steps - step - 1
        minutes = (time.monotonic() - started) / done * left / 60
        print(f"\rround {done} of {warm_up + steps}, {minutes:.1f} minutes left ", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 50, end="\r", file=sys.stderr)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))

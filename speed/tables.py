"""Write the tables of a page from result files.

    python speed/tables.py docs/speed.md

A page names a result in a comment, `<!-- speed/results/train.json -->`. What follows, up to `<!-- end -->`, is replaced
by the result's table and a line on how it was measured.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from results import markdown_table
from timed_process import ROOT

BLOCK = re.compile(r"<!-- (speed/results/\S+\.json) -->\n((?:(?!<!--).)*)<!-- end -->", re.DOTALL)


def update(text: str, root: Path = ROOT) -> str:
    """The text of a page with the present content of the results that it names.

    Args:
        text: a page in Markdown.
        root: folder that the names of results start from.

    Raises:
        ValueError: a comment that names a result has no <!-- end -->, or the result does not exist.
    """
    if text.count("<!-- speed/results/") != len(BLOCK.findall(text)):
        raise ValueError("a table's comment has no <!-- end -->: write it where the table ends")
    return BLOCK.sub(lambda block: _block(block[1], root), text)


def _block(name: str, root: Path) -> str:
    if not (root / name).exists():
        raise ValueError(f"{name} does not exist: measure it, or remove its table")
    result = json.loads((root / name).read_text())
    table = markdown_table(result["table"]["head"], result["table"]["rows"])
    return f"<!-- {name} -->\n\n{table}\n\n{provenance(result)}\n\n<!-- end -->"


def provenance(result: dict[str, Any]) -> str:
    """One line of Markdown on how, when and where a result was measured."""
    machine = result["machine"]
    commit = f"commit {result['commit'][:7]}" if result["commit"] else "no commit"
    facts = [
        result["date"][:10], commit + " with changes" * bool(result["dirty"]),
        machine["cpu"], machine["instructions"], "bf16" if machine["bf16"] else "no bf16",
        f"{machine['cores']} cores", f"{machine['memory_gib']} GiB", *filter(None, [machine["gpu"]]),
    ]  # fmt: skip
    command = f"`{result['command']}`, " if result["command"] else ""
    return f"Measured: {command}{', '.join(facts)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+", help="Markdown files")
    for page in parser.parse_args().pages:
        try:
            page.write_text(update(page.read_text()))
        except ValueError as error:
            sys.exit(f"{page}: {error}")


if __name__ == "__main__":
    main()

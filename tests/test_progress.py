"""Progress bars, drawn to a string."""

import io
import re
import time

from rich.console import Console

from sam2unet.progress import progress_bar


def test_progress_bar_shows_count_rate_and_remaining_time():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress_bar(console, "predicting") as advance:
        for done in range(20):
            advance(done, 40)
            time.sleep(0.005)  # a rate needs time
    last = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue().rpartition("predicting")[2])
    assert re.search(r"19/40\D*[\d.]+/s", last)
    assert "ETA" in last


def test_progress_bar_draws_nothing_outside_a_terminal():
    console = Console(file=io.StringIO())
    with progress_bar(console, "predicting") as advance:
        advance(1, 2)
    assert not console.file.getvalue().strip()

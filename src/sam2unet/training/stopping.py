"""Stopping in good order when a signal asks for it."""

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType

from rich.console import Console


class StopSignals:
    """Turns Ctrl-C, SIGTERM and SIGHUP (a closed terminal) into a request to stop; a second Ctrl-C interrupts at once.

    A second SIGTERM is ignored: torchrun passes one on that Slurm has sent to all processes already.

    Args:
        console: gets a line when the first signal arrives.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.received: signal.Signals | None = None
        self._received_at = 0.0

    def install(self) -> None:
        """Replace Lightning's handlers, which end without a checkpoint; Lightning restores the original ones itself."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if number and not (number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # nohup
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._received_at = signal.Signals(number), time.monotonic()
            self._announce()
        elif number == signal.SIGINT and time.monotonic() - self._received_at > 1:
            raise KeyboardInterrupt

    def _announce(self) -> None:
        """Write to the console's file past its buffer: the signal may have interrupted a write to that."""
        if not self.console.quiet:
            with suppress(OSError):  # a terminal that is gone, or a file in memory
                os.write(
                    self.console.file.fileno(),
                    b"\nsam2unet: stopping after this step or validation (Ctrl-C again: at once)\n",
                )

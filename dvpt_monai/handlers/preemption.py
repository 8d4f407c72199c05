"""Signals that end a training: noted when they come, obeyed when the step is done."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Preemption"]

logger = logging.getLogger(__name__)


class Preemption:
    """Note SIGTERM, SIGUSR1 and SIGINT (Ctrl-C) instead of dying of them; the second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.number = 0
        self.before: dict[int, Any] = {}

    def begin(self) -> None:
        """From now on note them; only a main thread can."""
        self.number = 0
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
            self.before = {number: signal.signal(number, self._note) for number in numbers}

    def end(self) -> None:
        """Give the signals back to those that had them before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def leave(self, number: int, place: object) -> None:
        """End the process as a signal asks for, with a word on where the state is.

        Raises:
            SystemExit: with 143, after SIGTERM and SIGUSR1.
            KeyboardInterrupt: after SIGINT.
        """
        self.end()
        logger.warning("%s: the state is saved in %s; --resume auto goes on", signal.Signals(number).name, place)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(143)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        self.number = number

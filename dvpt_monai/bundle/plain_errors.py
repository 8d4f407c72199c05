"""The reason of a failure as the last line that a person sees."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from dvpt_monai.errors import DvptError, reason

__all__ = ["plain_errors", "runs_a_command"]

COMMANDS = ("monai.bundle.__main__", "dvpt_monai.__main__")
"""What ``python -m`` runs, alone or under ``torchrun``, when the process is a command of a person."""


def plain_errors() -> None:
    """From now on, the last line that a failed command prints is the error that began it.

    MONAI wraps whatever happens inside a config in ``RuntimeError("Failed to evaluate ...")``, under which the message
    that names file and remedy stands in the middle of a hundred lines. Errors of this package, which say what to do,
    come without a traceback, unless ``DVPT_TRACEBACK`` is set, and so does Ctrl-C; all others with theirs. For a
    bundle's ``initialize``.

    It does so for ``python -m monai.bundle`` and ``python -m dvpt_monai``. A program that runs a bundle as a part of
    itself, such as MONAI Label, a federated client or a notebook, keeps its own way with errors.
    """
    if runs_a_command() and getattr(sys.excepthook, "__module__", "") != __name__:
        sys.excepthook = _plainly


def runs_a_command() -> bool:
    """Whether this process is a command of a person, and not a program that runs a bundle as a part of itself."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", None) in COMMANDS


def _plainly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr)
        return
    first = reason(error)
    if isinstance(first, DvptError) and not os.environ.get("DVPT_TRACEBACK"):
        print("\n(DVPT_TRACEBACK=1 shows the traceback)", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
    print(f"\nerror: {first}", file=sys.stderr)

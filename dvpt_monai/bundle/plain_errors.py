"""The reason of a failure as the last line that a person sees."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from dvpt_monai.errors import DvptError, reason

__all__ = ["plain_errors"]


def plain_errors() -> None:
    """From now on, the last line that a failure prints is the error that began it.

    MONAI wraps whatever happens inside a config in ``RuntimeError("Failed to evaluate ...")``, under which the message
    that names file and remedy stands in the middle of a hundred lines. Errors of this package, which say what to do,
    come without a traceback, unless ``DVPT_TRACEBACK`` is set; all others with theirs. For a bundle's ``initialize``.
    """
    before = sys.excepthook
    if getattr(before, "__module__", "") == __name__:
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        why = reason(error)
        if isinstance(why, DvptError) and not os.environ.get("DVPT_TRACEBACK"):
            print("\n(DVPT_TRACEBACK=1 shows the traceback)", file=sys.stderr)
        else:
            before(kind, error, trace)
        print(f"\nerror: {why}", file=sys.stderr)

    sys.excepthook = hook

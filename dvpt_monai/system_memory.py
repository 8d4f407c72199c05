"""What memory the machine has, what of it is free, and what this process took."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["GIB", "free_memory", "installed_memory", "peak_memory", "reset_peak", "return_freed"]

GIB = 2**30
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free_memory() -> float | None:
    """GiB that this process may still take: of the machine, and of the container that it runs in."""
    free = [value for value in (_of_machine(), _of_container()) if value is not None]
    return min(free) / GIB if free else None


def installed_memory() -> float | None:
    """GiB that this machine has; ``None`` where the system does not say."""
    installed = _installed()
    return None if installed is None else installed / GIB


def peak_memory() -> float | None:
    """GiB that this process took at most since `reset_peak`; ``None`` where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / GIB
    except (OSError, StopIteration, ValueError):
        return None


def reset_peak() -> None:
    """Begin to measure anew, where the system allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def return_freed() -> None:
    """Give the system what this process has freed, which glibc keeps for later; other C libraries are left alone."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _of_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    return _installed()


def _installed() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_container() -> int | None:
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(cached.get("inactive_file", 0))
    except (OSError, ValueError):
        return None

"""Memory: what there is, what a prediction takes, and how it is divided where that is too much."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Plan", "free_memory", "peak_memory", "reset_peak"]

GIB = 2**30
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Plan:
    """What predicting a volume takes in GiB, and whether it is done at once or slab by slab.

    Args:
        whole: at once.
        slabs: slab by slab.
        limit: what may be taken; ``None`` where nobody knows.
        shape: of the volume that the network sees.
        classes: channels of its answer.

    Example:
        >>> print(Plan.of((512, 512, 600), (512, 512, 600), 14, (96, 96, 96), limit=8))
        512 x 512 x 600 with 14 classes: slab by slab in 2.7 GiB (at once it would take 27.0 GiB; 8 GiB may be taken)
    """

    whole: float
    slabs: float
    limit: float | None
    shape: tuple[int, ...]
    classes: int

    @classmethod
    def of(
        cls, seen: Sequence[int], stored: Sequence[int], classes: int, window: Sequence[int], limit: float | None
    ) -> Plan:
        """The plan for a volume.

        Args:
            seen: its shape as the network sees it.
            stored: its shape in the file.
            classes: channels of the network's answer.
            window: shape of what the network sees at a time.
            limit: GiB that may be taken.
        """
        voxels, of_file = math.prod(seen), math.prod(stored)
        resampled = tuple(seen) != tuple(stored)
        # sums and probabilities; then these on the grid of the file, in float64 and with places where it is another
        back = 8 * classes * (voxels + of_file) + 24 * of_file if resampled else 4 * classes * of_file + 8 * of_file
        whole = 4 * voxels * (2 * classes + 2) + back
        rows = min(window[0], seen[0])
        slabs = 4 * voxels + of_file + (rows + 16) * (voxels // seen[0]) * 4 * (classes + 1)
        return cls(whole / GIB, slabs / GIB, limit, tuple(seen), classes)

    @property
    def divided(self) -> bool:
        """Whether the volume is predicted slab by slab."""
        return self.limit is not None and self.whole > self.limit

    @property
    def fits(self) -> bool:
        """Whether there is enough memory at all."""
        return self.limit is None or min(self.whole, self.slabs) <= self.limit

    @property
    def name(self) -> str:
        """The volume in words."""
        return f"{' x '.join(map(str, self.shape))} with {self.classes} classes"

    def __str__(self) -> str:
        if not self.divided:
            return f"{self.name}: {self.whole:.1f} GiB"
        way = f"slab by slab in {self.slabs:.1f} GiB"
        return f"{self.name}: {way} (at once it would take {self.whole:.1f} GiB; {self.limit:.3g} GiB may be taken)"


def free_memory() -> float | None:
    """GiB that this process may still take: of the machine, and of the container that it runs in."""
    free = [value for value in (_of_machine(), _of_container()) if value is not None]
    return min(free) / GIB if free else None


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


def _of_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
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

"""What loading pre-trained weights did, tensor by tensor."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from dvpt_monai.networks.pretrained.normalizations import Normalization

__all__ = ["Receipt", "conversions"]


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What became of every tensor of a source and of every tensor of the encoder.

    Args:
        source: file name or catalog name.
        sha256: of the source file; ``None`` for a state dict in memory.
        layout: the layout that was recognised.
        loaded: names in the network that were filled.
        folded: what was folded exactly into other tensors.
        resized: what was interpolated, from which size to which.
        inflated: what was carried from 2D to 3D.
        ignored: names in the source that the network has no place for.
        missing: names in the encoder that the source did not fill; empty unless allowed.
        input: the values that the network expects of an image.
        converted: tensors whose precision is another in the source than in the network.
        normalization: the same as numbers: mean and standard deviation of each channel, of values in [0, 1]; zeros
            and ones where they are folded into the kernel, ``None`` where nothing tells.
        position_resize: how positions go to another grid; ``"plain"`` in receipts that do not say, as it was the only
            way when they were written.
        origin: receipt, as a dictionary, of the file that the source was converted from.
    """

    source: str
    sha256: str | None
    layout: str
    loaded: tuple[str, ...]
    folded: tuple[str, ...]
    resized: tuple[str, ...]
    inflated: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    input: str
    converted: tuple[str, ...] = ()
    normalization: Normalization | None = None
    position_resize: str = "plain"
    origin: dict[str, Any] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Receipt:
        """The receipt that :meth:`as_dict` wrote, also behind JSON."""
        given: dict[str, Any] = {}
        for name in (field.name for field in dataclasses.fields(cls) if field.name in values):
            given[name] = tuple(values[name]) if isinstance(values[name], list) else values[name]
        if given.get("normalization"):
            mean, std = given["normalization"]
            given["normalization"] = tuple(mean), tuple(std)
        return cls(**given)

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors were loaded, ignored and missing, and how many changes were made to them."""
        names = ("loaded", "converted", "folded", "resized", "inflated", "ignored", "missing")
        return {name: len(getattr(self, name)) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values, the counts among them."""
        values = {**dataclasses.asdict(self), "counts": self.counts}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    def __str__(self) -> str:
        lines = [f"{self.source} ({self.layout} layout)", f"  loaded    {len(self.loaded)} tensors"]
        for name in ("converted", "folded", "resized", "inflated"):
            lines += [f"  {name:<9} {entry}" for entry in getattr(self, name)]
        for name in ("ignored", "missing"):
            entries = getattr(self, name)
            if entries:
                more = " ..." if len(entries) > 4 else ""
                lines.append(f"  {name:<9} {len(entries)}: {', '.join(entries[:4])}{more}")
        lines.append(f"  input     {self.input}")
        if self.sha256:
            lines.append(f"  sha256    {self.sha256}")
        if self.origin:
            origin = self.origin
            lines.append(
                f"  origin    {origin['source']} ({origin['layout']} layout), {origin['sha256'] or 'in memory'}"
            )
        return "\n".join(lines)


def conversions(pairs: Iterable[tuple[str | torch.dtype, str | torch.dtype]]) -> tuple[str, ...]:
    """How many tensors came in another precision than the network's, from pairs of both.

    Example:
        >>> conversions([(torch.float16, torch.float32), ("float16", torch.float32), ("float32", torch.float32)])
        ('float16 -> float32: 2 tensors',)
    """
    names = Counter(tuple(str(dtype).removeprefix("torch.") for dtype in pair) for pair in pairs)
    return tuple(f"{old} -> {new}: {count} tensors" for (old, new), count in sorted(names.items()) if old != new)

"""Methods that add nothing and only choose which of the backbone's own parameters train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import at_least_one, blocks_of
from dvpt_monai.tuning import Method, Space
from dvpt_monai.tuning.tuned import walk

__all__ = ["BitFit", "FullFineTuning", "LinearProbe", "NormTuning", "PartialFineTuning"]

UNUSED = "!*norm_cross_attn*"
"""MONAI's transformer blocks own a norm that no forward pass reaches: it must not train, nor count."""


@dataclass(frozen=True)
class FullFineTuning(Method):
    """Everything trains; the reference that parameter-efficient methods are measured against.

    The adapter is then the whole network. The backbone as it was, to which :func:`~dvpt_monai.disabled` and
    :func:`~dvpt_monai.untune` return, waits in a temporary file (:mod:`dvpt_monai.tuning.originals`).
    """

    merges: ClassVar[bool] = True
    search: ClassVar[Space] = {"learning_rate": (5e-6, 3e-4)}

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        return ("*", UNUSED)


@dataclass(frozen=True)
class LinearProbe(Method):
    """The head (or decoder) alone trains, on the backbone's features as they are."""

    merges: ClassVar[bool] = True
    search: ClassVar[Space] = {}


@dataclass(frozen=True)
class PartialFineTuning(Method):
    """Partial-k: the last k blocks and the final norm train (Yosinski et al., arXiv 1411.1792).

    Args:
        blocks: k.

    Raises:
        TuningError: k is not between 1 and the number of blocks.
    """

    paper: ClassVar[str] = "Yosinski et al., How transferable are features in deep neural networks?, arXiv 1411.1792"

    size: ClassVar[str] = "blocks"
    merges: ClassVar[bool] = True
    search: ClassVar[Space] = {"learning_rate": (1e-5, 1e-3)}

    blocks: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "blocks")

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        sites = blocks_of(network, self)
        if self.blocks > len(sites):
            raise TuningError(
                f"PartialFineTuning: blocks must be between 1 and {len(sites)}, the depth of "
                f"{type(network).__name__}, not {self.blocks}"
            )
        stem = sites[0].name.split("blocks")[0]
        norm = [name for name, _, _ in walk(network) if name == f"{stem}norm"]
        return (*(f"{site.name}.*" for site in sites[-self.blocks :]), *(f"{name}.*" for name in norm), UNUSED)


@dataclass(frozen=True)
class BitFit(Method):
    """All biases of the backbone train (Ben Zaken et al., arXiv 2106.10199)."""

    paper: ClassVar[str] = "Ben Zaken et al., BitFit, arXiv 2106.10199"
    merges: ClassVar[bool] = True

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        return ("*.bias", UNUSED)


@dataclass(frozen=True)
class NormTuning(Method):
    """Scale and bias of every LayerNorm in the backbone train (Frankle et al., arXiv 2003.00152; Basu et al., 2023)."""

    paper: ClassVar[str] = "Frankle et al., Training BatchNorm and only BatchNorm, arXiv 2003.00152"
    merges: ClassVar[bool] = True

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        names = [name for name, holder, child in walk(network) if isinstance(getattr(holder, child), nn.LayerNorm)]
        if not names:
            raise TuningError(f"NormTuning: {type(network).__name__} has no LayerNorm")
        return (*(f"{name}.*" for name in names), UNUSED)

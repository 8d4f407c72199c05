"""Where side networks sit: beside the blocks that they read, and where their stream meets the tokens again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import Sequenced, blocks_of, sequence_of
from dvpt_monai.tuning import Method, Tuned, TunedResidual, Tuner, attach

__all__ = ["ReadOut", "attach_beside", "later_half", "stream_width"]


class ReadOut(Tuner):
    """The stream, projected from 0 to the width of the tokens and added to them; sits on ``vit.readout``.

    Shape:
        stream x (B, N, c), tokens y (B, N, d).
    """

    def __init__(self, stream: int, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(stream, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + self.up(x)


def attach_beside(
    network: nn.Module, method: Method, layers: Sequence[int] | None, rung: Callable[[], Tuner], stream: int = 0
) -> None:
    """Put one tuner beside each block that is read, and behind the last norm what adds the stream to the tokens.

    Args:
        network: with a :class:`~dvpt_monai.ViTEncoder`.
        method: for whom, which the errors name.
        layers: the blocks that are read; ``None`` is every one.
        rung: makes the tuner of a block; its ``after(tokens, stream)`` is the stream behind it.
        stream: width of the stream that is read out at the end; 0 where it is not.

    Raises:
        TuningError: a block is out of range, or the network has a side network already.
    """
    sequence = sequence_of(network, method)
    depth = len(blocks_of(network, method))
    blocks_of(network, method, layers)
    if any(isinstance(place, Tuned) for place in (*sequence.encoder.beside, sequence.encoder.readout)):
        raise TuningError(f"{type(method).__name__}: another method of the Stack has a side network; choose one")
    for index in range(depth) if layers is None else sorted(layers):
        attach(network, f"{sequence.prefix}beside.{index}", rung(), TunedResidual)
    if stream:
        attach(network, f"{sequence.prefix}readout", ReadOut(stream, sequence.width), TunedResidual)


def stream_width(sequence: Sequenced, method: Method, reduction: int) -> int:
    """The width of a side network: that of a token over ``reduction``.

    Raises:
        TuningError: it is no whole number.
    """
    if sequence.width % reduction:
        name = type(method).__name__
        raise TuningError(f"{name}: reduction {reduction} does not divide the width {sequence.width} of a token")
    return sequence.width // reduction


def later_half(network: nn.Module, method: Method) -> tuple[int, ...]:
    """Three blocks of the later half of any depth: 6, 8 and 10 of 12.

    Raises:
        TuningError: the network has no sequence of blocks.
    """
    depth = len(sequence_of(network, method).encoder.blocks)
    return tuple(sorted({depth * part // 6 for part in (3, 4, 5)}))

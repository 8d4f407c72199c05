"""Several adapters on one backbone, at the price of one backbone and of what each adapter adds."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.adapter import load_adapter
from dvpt_monai.tuning.frozen import blocks_read, frozen_cut
from dvpt_monai.tuning.header import read_header
from dvpt_monai.tuning.trains import is_tuned
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["ACTIVATIONS", "Ensemble"]

ACTIVATIONS = ("none", "softmax", "sigmoid")


class Ensemble(nn.Module):
    """The mean of what one network predicts with each of several adapters.

    The blocks that no adapter changes run once for all of them, and exist once in memory; so do the other frozen
    tensors. With side networks that is the whole backbone. Adapters of different methods go together: what is shared
    ends where the first of them begins.

    Args:
        network: the plain network, with the backbone that the adapters were trained on; it is left as it was.
        adapters: files of :func:`~dvpt_monai.save_adapter`, at least one.
        activation: ``"softmax"`` or ``"sigmoid"`` where that makes probabilities of the output: the mean is then
            theirs, given as the logits of which that activation makes it. ``"none"``: the mean of the output itself.
        sharing: ``False`` also takes adapters that change the first block, with which each runs the whole network.

    Shape:
        images as the network takes them, to its output, the mean over the adapters.

    Raises:
        TuningError: the network is tuned, there is no adapter or activation of the name, or one of the adapters changes
            the first block already.
        AdapterError: a file is missing, damaged, or does not fit, as :func:`~dvpt_monai.load_adapter` says it.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from dvpt_monai import Ensemble, SideDVPT, ViTClassifier, save_adapter, tune, untune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                     num_heads=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = [f"{folder}/{name}.safetensors" for name in ("one", "other")]
        ...     for path in paths:
        ...         _ = save_adapter(tune(net, SideDVPT()), path)
        ...         _ = untune(net)
        ...     ensemble = Ensemble(net, paths)
        >>> mean, spread = ensemble.mean_and_spread(torch.rand(2, 3, 32, 32))
        >>> mean.shape, spread.shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        network: nn.Module,
        adapters: Sequence[str | os.PathLike[str]],
        activation: str = "none",
        sharing: bool = True,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise TuningError(f"Ensemble: no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
        inner = unwrap_model(network)
        if is_tuned(inner):
            raise TuningError("Ensemble: the network is tuned; call untune(network) first, each adapter tunes a copy")
        if isinstance(adapters, (str, os.PathLike)) or not adapters:
            raise TuningError(f"Ensemble: adapters is a list of files, at least one, not {adapters!r}")
        state: dict[str, Any] = inner.state_dict(keep_vars=True)
        frozen = {key: _frozen(value) for key, value in state.items()}
        self.members = nn.ModuleList(_with_adapter(inner, path, frozen) for path in adapters)
        self.activation = activation
        self.read = self._read(adapters, sharing)
        self.shares = len(self.read) > 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.mean(self.each(x))

    def each(self, x: Tensor) -> Tensor:
        """What the network predicts with each adapter, (adapters, B, ...)."""
        outputs: list[Tensor] = []
        if not self.shares:
            for member in self.members:
                outputs.append(member(x))
            return torch.stack(outputs)
        seen = self.members[0].seen(x)
        states = self.members[0].states(seen, self.read)
        for member in self.members:
            outputs.append(member.rest(states, seen))
        return torch.stack(outputs)

    def mean_and_spread(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean as :meth:`forward` gives it, and the standard deviation over the adapters, in one pass.

        With an activation the deviation is that of the probabilities.
        """
        outputs = self.each(x)
        return self.mean(outputs), self.probabilities(outputs).std(0, correction=0)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """What the activation makes of outputs (adapters, B, C, ...)."""
        if self.activation == "softmax":
            return outputs.softmax(2)
        return outputs.sigmoid() if self.activation == "sigmoid" else outputs

    def mean(self, outputs: Tensor) -> Tensor:
        """The mean of outputs, or the logits of the mean of their probabilities."""
        if self.activation == "softmax":
            return log_softmax(outputs, 2).logsumexp(0) - math.log(len(outputs))
        if self.activation == "sigmoid":  # log of the mean p, less log of the mean 1 - p
            return logsigmoid(outputs).logsumexp(0) - logsigmoid(-outputs).logsumexp(0)
        return outputs.mean(0)

    @torch.jit.unused
    def _read(self, adapters: Sequence[str | os.PathLike[str]], sharing: bool) -> list[bool]:
        """Which of the shared blocks some member reads; of none where they may share none and do not."""
        try:
            cut = min(_cut(member, path) for member, path in zip(self.members, adapters, strict=True))
        except TuningError:
            if sharing:
                raise
            return []
        return [any(each) for each in zip(*(blocks_read(member, cut) for member in self.members), strict=True)]


def _frozen(value: Tensor) -> Tensor:
    """The same values, for which no gradient is asked."""
    return nn.Parameter(value.detach(), requires_grad=False) if isinstance(value, nn.Parameter) else value.detach()


def _with_adapter(network: nn.Module, path: str | os.PathLike[str], frozen: dict[str, Tensor]) -> nn.Module:
    """A copy with an adapter, which takes from ``frozen`` whatever the adapter left as it was."""
    untouched = read_header(path)["backbone"]["fingerprint"]
    state: dict[str, Any] = network.state_dict(keep_vars=True)
    memo: dict[int, Any] = {id(value): frozen[key] for key, value in state.items() if key in untouched}
    return load_adapter(copy.deepcopy(network, memo), path)


def _cut(member: nn.Module, path: str | os.PathLike[str]) -> int:
    try:
        return frozen_cut(member)
    except TuningError as error:
        raise TuningError(f"Ensemble: {path} leaves nothing to share ({error}), or give sharing=False") from error

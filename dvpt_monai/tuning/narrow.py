"""A frozen backbone in half precision: the matrices that do not train take half the memory, what trains stays whole."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.trains import in_tuner, tuning_of
from dvpt_monai.tuning.tuned import Tuned
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["cast_frozen", "widen"]

Network = TypeVar("Network", bound=nn.Module)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class _Product(torch.autograd.Function):
    """x W^T + b of a narrow W, which is widened once more for the gradient of x and not kept wide until then."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(weight)
        return functional.linear(x, weight.to(x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor | None]:  # type: ignore[override]
        (weight,) = ctx.saved_tensors
        of_bias = gradient.flatten(0, -2).sum(0) if ctx.needs_input_grad[2] else None
        return gradient @ weight.to(gradient.dtype), None, of_bias


class NarrowLinear(nn.Linear):
    """A linear layer whose frozen weight is in half precision and becomes what its input is where they meet.

    Shape:
        As ``nn.Linear``; the result has the dtype of the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_scripting():
            return functional.linear(x, self.weight.to(x.dtype), self.bias)
        return self._product(x)

    @torch.jit.unused
    def _product(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # which narrows both
            return functional.linear(x, self.weight, self.bias)
        if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad):
            return functional.linear(x, self.weight.to(x.dtype), self.bias)
        return _Product.apply(x, self.weight, self.bias)  # type: ignore[no-any-return]


def cast_frozen(network: Network, dtype: str | torch.dtype) -> Network:
    """Hold the matrices of a tuned network that do not train in another precision, in place; what trains stays whole.

    These are the weights of linear layers, nearly all of a ViT. Each is widened where it multiplies and no longer, so
    that everything is computed in the precision of the input as before, from weights that are rounded: to 11 bits by
    ``float16``, to 8 by ``bfloat16``, which is what autocast rounds them to in any case. Names in the state dict and
    adapters are what they were, and an adapter goes to a network of either kind. :func:`~dvpt_monai.merge` gives whole
    weights, :func:`~dvpt_monai.untune` leaves them, both from what was rounded.

    Args:
        network: tuned. Layers whose weight a method reads (``DoRA``) stay as they are.
        dtype: float16, bfloat16, or float32 to widen them again.

    Returns:
        The same network.

    Raises:
        TuningError: it is not tuned, the dtype is another one, or a weight does not fit into it; nothing has changed.

    Example:
        >>> from dvpt_monai import SideDVPT, ViTClassifier, cast_frozen, tune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48,
        ...                     num_layers=2, num_heads=2)
        >>> net = cast_frozen(tune(net, SideDVPT()), "float16")
        >>> net.vit.blocks[0].mlp.linear1.weight.dtype
        torch.float16
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise TuningError(f"cast_frozen: dtype {dtype!r} is unknown; choose {', '.join(map(repr, DTYPES))}")
    tuning_of(network, "cast_frozen")
    inner = unwrap_model(network)
    if name == "float32":
        widen(inner)
        return network
    read = {id(each.base) for each in inner.modules() if isinstance(each, Tuned) and each.reads_weight}
    chosen = {
        key: each
        for key, each in inner.named_modules()
        if type(each) in (nn.Linear, NarrowLinear)
        and each.weight.dtype in DTYPES.values()
        and not (in_tuner(f"{key}.weight") or each.weight.requires_grad or id(each) in read)
    }
    for key, each in chosen.items():
        most = each.weight.abs().max().item() if each.weight.numel() else 0.0
        if most > torch.finfo(DTYPES[name]).max:
            key = key.replace(".base", "")
            raise TuningError(f"cast_frozen: {key}.weight reaches {most:.3g}, which {name} cannot hold; take bfloat16")
    for each in chosen.values():
        each.weight.data = each.weight.data.to(DTYPES[name])
        each.__class__ = NarrowLinear
    return network


def widen(network: nn.Module) -> None:
    """Hold every narrow matrix in float32 again, in place."""
    for each in network.modules():
        if isinstance(each, NarrowLinear):
            each.weight.data = each.weight.data.float()
            each.__class__ = nn.Linear

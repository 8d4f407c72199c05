"""A frozen backbone in half precision: the matrices that do not train take half the memory, what trains stays whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.trains import tuning_of
from dvpt_monai.tuning.tuned import Tuned, unwrapped, walk
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["cast_frozen", "check_whole", "widen"]

Network = TypeVar("Network", bound=nn.Module)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class _Product(torch.autograd.Function):
    """x W^T + b of a narrow W, which is widened once more for the gradient of x and not kept wide until then."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(x, weight.to(x.dtype), bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor | None]:
        (weight,) = ctx.saved_tensors
        of_bias = gradient.reshape(-1, gradient.shape[-1]).sum(0) if ctx.needs_input_grad[2] else None
        return gradient @ weight.to(gradient.dtype), None, of_bias

    @staticmethod
    def jvp(ctx: Any, x: Tensor, weight: None, bias: Tensor | None) -> Tensor:
        (kept,) = ctx.saved_tensors
        return functional.linear(x, kept.to(x.dtype), bias)


class NarrowLinear(nn.Linear):
    """A linear layer whose frozen weight is in half precision and becomes what its input is where they meet.

    Shape:
        As ``nn.Linear``; the result has the dtype of the input, under autocast that of autocast.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return functional.linear(x, self.weight.to(x.dtype), self.bias)
        return self._product(x, self.bias)

    @torch.jit.unused
    def _product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
            x = x.to(torch.get_autocast_dtype(x.device.type))
            bias = None if bias is None else bias.to(x.dtype)
        written = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
        if written or self.weight.requires_grad or not (torch.is_grad_enabled() and x.requires_grad):
            return functional.linear(x, self.weight.to(x.dtype), bias)
        return _Product.apply(x, self.weight, bias)


def cast_frozen(network: Network, dtype: str | torch.dtype) -> Network:
    """Hold the matrices of a tuned network that do not train in another precision, in place; what trains stays whole.

    These are the weights of linear layers, nearly all of a ViT. Each is widened where it multiplies and no longer, so
    that everything is computed in the precision of the input as before, from weights that are rounded: to 11 bits by
    ``float16``, to 8 by ``bfloat16``, which is what autocast rounds them to in any case. Names in the state dict and
    adapters are what they were, and an adapter goes to a network of either kind. :func:`~dvpt_monai.merge` gives whole
    weights from what was rounded. There is no other way back: what rounding took is gone.

    Args:
        network: tuned. Layers whose weight something else reads stay whole: ``DoRA``, PyTorch's own transformer layers.
        dtype: float16 or bfloat16; float32 leaves a network as it is that was never narrow.

    Returns:
        The same network.

    Raises:
        TuningError: it is not tuned, the dtype is another one, a weight does not fit into it, or what is narrow should
            be float32; nothing has changed.

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
        check_whole(inner, "cast_frozen")
        return network
    frozen = _frozen(inner)
    for key, each in frozen.items():
        most = each.weight.abs().max().item() if each.weight.numel() and not each.weight.is_meta else 0.0
        if most > torch.finfo(DTYPES[name]).max:
            other = "; take bfloat16" if name == "float16" else ""
            raise TuningError(f"cast_frozen: {key}.weight reaches {most:.3g}, which {name} cannot hold{other}")
    for each in frozen.values():
        each.weight.data = each.weight.data.to(DTYPES[name])
        each.__class__ = NarrowLinear
    return network


def _frozen(network: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers whose weight does not train, and which nothing else reads, by their names without wrappers."""
    found: dict[str, nn.Linear] = {}
    for name, holder, child in walk(network):
        each: nn.Module = getattr(holder, child)
        read = isinstance(holder, nn.TransformerEncoderLayer)
        while isinstance(each, Tuned):
            read = read or type(each).reads_weight
            each = each.base
        if read or not isinstance(each, nn.Linear) or type(each) not in (nn.Linear, NarrowLinear):
            continue  # a subclass may do something else with its weight
        if each.weight.dtype in DTYPES.values() and not each.weight.requires_grad:
            found[name] = each
    return found


def widen(network: nn.Module) -> None:
    """Hold every narrow matrix as the bias beside it, in place; without one in float32."""
    for each in network.modules():
        if isinstance(each, NarrowLinear):
            each.weight.data = each.weight.data.to(torch.float32 if each.bias is None else each.bias.dtype)
            each.__class__ = nn.Linear  # type: ignore[assignment]


def check_whole(network: nn.Module, stage: str, concerns: Callable[[str], bool] = lambda name: True) -> None:
    """Refuse a network with narrow matrices where whole ones are needed.

    Args:
        network: the network.
        stage: who needs them, for the message.
        concerns: whether it needs the tensor of this name.

    Raises:
        TuningError: one of them was rounded.
    """
    for name, holder, child in walk(network):
        each = unwrapped(getattr(holder, child))
        if isinstance(each, NarrowLinear) and concerns(f"{name}.weight"):
            held = str(each.weight.dtype).removeprefix("torch.")
            raise TuningError(
                f"{stage}: {name}.weight was rounded to {held} by cast_frozen, and what that took is gone; build the "
                "network and load its backbone anew"
            )

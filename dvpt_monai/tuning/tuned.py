"""The key-transparent wrapper: a frozen module beside a small trainable one.

Almost every parameter-efficient method computes ``y = after(x, base(before(x)))`` around some module of a frozen
network. :class:`Tuner` is that pair of functions, :class:`Tuned` is the wrapper that applies it, and
:func:`attach` puts wrappers into a network. The wrapper never shows in the names of the frozen tensors, so a plain
checkpoint of the backbone loads before and after tuning, and the keys that are new are exactly the tuners'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from torch import Tensor, nn

from dvpt_monai.errors import TuningError

__all__ = ["Tuned", "TunedResidual", "Tuner", "attach", "detach", "unwrapped", "walk"]


class Tuner(nn.Module):
    """What a method adds to one frozen module; the whole contract that a method has to fill.

    Shape:
        - ``before``: (B, N, C) to (B, N', C), what the frozen module reads.
        - ``after``: x (B, N, C) as it came in and y as the frozen module gave it, to the tuned output.
    """

    def before(self, x: Tensor) -> Tensor:
        """Change what the frozen module reads."""
        return x

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        """Change what the frozen module gives; ``x`` is its input before :meth:`before`."""
        return y

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow :meth:`~dvpt_monai.ViTEncoder.resize` to another token grid, where the tuner is tied to positions."""

    def rebase(self, base: nn.Module) -> None:
        """Start anew from other weights of ``base``, where the tuner took its start from them."""

    def merge(self, base: nn.Module) -> nn.Module:
        """Fold this tuner into the weights of ``base`` and return the plain module.

        Raises:
            TuningError: the method depends on its input, so no plain module equals it.
        """
        raise TuningError(
            f"merge: {type(self).__name__} computes from its input and cannot be folded into the weights of "
            f"{type(base).__name__}. Keep the adapter beside the network, or choose LoRA, SSF, BitFit or NormTuning."
        )


class Tuned(nn.Module):
    """A frozen ``base`` with a trainable ``tuner``, whose state dict shows no trace of the wrapping.

    Args:
        base: the module of the network that stays as it is.
        tuner: what is trained.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai import Tuned, Tuner
        >>> sorted(Tuned(nn.Linear(2, 2), Tuner()).state_dict())
        ['bias', 'weight']
    """

    reads_weight: ClassVar[bool] = False
    """Whether it reads the weight of ``base``, and not what that gives alone."""

    def __init__(self, base: nn.Module, tuner: Tuner) -> None:
        super().__init__()
        self.base = base
        self.tuner = tuner
        self.register_state_dict_post_hook(_drop_base)
        self.register_load_state_dict_pre_hook(_add_base)
        self.register_load_state_dict_post_hook(_name_missing)
        self.loading = ""
        """The prefix under which a state dict is being loaded, for the names of what is missing."""

    def forward(self, x: Tensor) -> Tensor:
        return self.tuner.after(x, self.base(self.tuner.before(x)))


class TunedResidual(Tuned):
    """A :class:`Tuned` whose frozen module adds a branch y to the residual stream x; the tuner reads the stream."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return self.tuner.after(x, self.base(x, y))


def _belongs_to_wrapper(rest: str) -> bool:
    # With two tuners on one module the inner wrapper's keys already read "tuner.*" or "base.tuner.*": they stay.
    return rest.startswith(("tuner.", "base."))


def _drop_base(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    start = f"{prefix}base."
    for key in [key for key in state if key.startswith(start)]:
        rest = key[len(start) :]
        if not _belongs_to_wrapper(rest):
            state[prefix + rest] = state.pop(key)


def _add_base(module: nn.Module, state: dict[str, Any], prefix: str, *unused: Any) -> None:
    module.loading = prefix  # type: ignore[assignment]
    for key in [key for key in state if key.startswith(prefix)]:
        rest = key[len(prefix) :]
        if not _belongs_to_wrapper(rest):
            state[f"{prefix}base.{rest}"] = state.pop(key)


def _name_missing(module: nn.Module, incompatible: Any) -> None:
    start = f"{module.loading}base."
    for index, key in enumerate(incompatible.missing_keys):
        rest = key[len(start) :]
        if key.startswith(start) and not _belongs_to_wrapper(rest):
            incompatible.missing_keys[index] = f"{module.loading}{rest}"


def attach(
    network: nn.Module,
    pattern: str,
    tuner: Tuner | Callable[[str, nn.Module], Tuner],
    wrapper: type[Tuned] = Tuned,
) -> list[str]:
    """Wrap every module whose name matches, in place.

    Args:
        network: the network to change.
        pattern: shell pattern over qualified module names, for example ``"*blocks.*.mlp"``; ``*`` crosses dots.
        tuner: the one that all of them share, or what makes one for each, from its name and the module. It moves to
            the network's device and dtype.
        wrapper: :class:`Tuned`, or :class:`TunedResidual` for a module that sums stream and branch.

    Returns:
        The names of the modules that were wrapped.

    Raises:
        TuningError: nothing matches, or a module has children named base or tuner of its own.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai import Tuner, attach
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> attach(net, "0", Tuner())
        ['0']
    """
    matched = [(name, holder, child) for name, holder, child in walk(network) if fnmatchcase(name, pattern)]
    if not matched:
        some = ", ".join(name for name, _, _ in list(walk(network))[:8])
        raise TuningError(
            f"attach: no module of {type(network).__name__} matches {pattern!r}; its modules begin with: {some}"
        )
    for name, holder, child in matched:
        module = getattr(holder, child)
        own = {"base", "tuner"} & {part for part, _ in module.named_children()}
        if own and not isinstance(module, Tuned):
            raise TuningError(f"attach: {name} has children of its own named {sorted(own)}, which Tuned needs itself")
    like = next((parameter for parameter in network.parameters() if parameter.is_floating_point()), None)
    for name, holder, child in matched:
        module = getattr(holder, child)
        made = tuner if isinstance(tuner, Tuner) else tuner(name, module)
        tuned = wrapper(module, made if like is None else made.to(like.device, like.dtype))
        tuned.train(module.training)
        setattr(holder, child, tuned)
    return [name for name, _, _ in matched]


def detach(network: nn.Module) -> list[tuple[nn.Module, str, Tuned]]:
    """Put every frozen module back where its wrapper was, in place.

    Returns:
        What was taken out, as (holder, name of the child, wrapper); ``setattr`` each in turn to undo.
    """
    taken = []
    for _, holder, child in list(walk(network)):
        module = getattr(holder, child)
        if isinstance(module, Tuned):
            taken.append((holder, child, module))
            setattr(holder, child, unwrapped(module))
    return taken


def unwrapped(module: nn.Module) -> nn.Module:
    """The frozen module under any number of wrappers."""
    while isinstance(module, Tuned):
        module = module.base
    return module


def walk(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module, str]]:
    """Every module below ``network`` by the name it has without wrappers: (name, holder, name of the child).

    A wrapped module comes once, as its outermost wrapper; tuners are passed over.
    """
    for child, module in network.named_children():
        yield prefix + child, network, child
        yield from walk(unwrapped(module), f"{prefix}{child}.")

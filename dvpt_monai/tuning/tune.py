"""Freeze a network and attach a method, and the ways back: ``tune``, ``merge``, ``disabled``, ``untune``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import Tuning, in_tuner, matches, recorded, tuning_of
from dvpt_monai.tuning.tuned import Tuned, detach, walk

__all__ = ["disabled", "merge", "remember", "take_out", "tune", "untune"]

Network = TypeVar("Network", bound=nn.Module)


def tune(network: Network, method: Method | str, train: Sequence[str] | None = None) -> Network:
    """Freeze ``network``, attach ``method``, and let what matches ``train`` learn beside it, in place.

    From here on ``network.train()`` follows one rule: a module is in training mode when it, or something inside it,
    belongs to a tuner or to ``train``; every other module stays in evaluation mode, so that dropout and running
    statistics of the frozen backbone never wake.

    Args:
        network: any network of this package, or another one whose parts the method finds.
        method: what to attach; a name, such as ``"LoRA"``, for one with its defaults.
        train: shell patterns over the names in the state dict, for example ``["decoder*", "out*"]``; one that
            begins with ``!`` excludes. ``None`` takes ``network.fresh``: the parts that no pre-trained file can fill.
            A depth embedding always trains.

    Returns:
        The same network.

    Raises:
        TuningError: a pattern matches nothing, the network is tuned already, or the method finds nothing to tune;
            the network is then as it was.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, tune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48,
        ...                     num_layers=2, num_heads=2)
        >>> net = tune(net, DVPT(num_prompts=4, bottleneck=3))
        >>> [name for name, p in net.named_parameters() if p.requires_grad][-1]
        'head.bias'
    """
    method = Method.named(method) if isinstance(method, str) else method
    if not isinstance(method, Method):
        raise TuningError(f"tune: method must be a Method such as DVPT(), not {type(method).__name__}")
    if (tuning := recorded(network)) is not None:
        raise TuningError(
            f"tune: the network is already tuned with {tuning.method}; "
            "call untune(network) first, or give both methods at once as Stack(first, second)"
        )
    patterns = tuple(getattr(network, "fresh", ()) if train is None else train)
    if isinstance(train, str):
        raise TuningError(f"tune: train is a list of patterns, for example ['head*'], not the string {train!r}")
    keys = [key for key, value in network.state_dict(keep_vars=True).items() if isinstance(value, nn.Parameter)]
    chosen = method.chosen(network)
    # What a method leaves out need not be there: not every network has MONAI's unused norms.
    for pattern in (*patterns, *(pattern for pattern in chosen if not pattern.startswith("!"))):
        if not any(fnmatchcase(key, pattern.removeprefix("!")) for key in keys):
            tops = ", ".join(sorted({key.split(".")[0] for key in keys}))
            raise TuningError(f"tune: {pattern!r} matches no parameter of {type(network).__name__}; it has: {tops}")
    patterns += tuple(key for key in keys if key.endswith("depth_embedding") and not matches(key, patterns))

    restore = remember(network)
    network.requires_grad_(False)
    try:
        method.attach(network)
    except Exception:
        detach(network)
        restore()
        raise
    tuning = Tuning(method, patterns, chosen, {})
    state = network.state_dict(keep_vars=True)
    for key, value in state.items():
        if isinstance(value, nn.Parameter):
            value.requires_grad_(in_tuner(key) or tuning.covers(key))
    # A module with a trained parameter is in training mode, so its buffers (running statistics) change as well.
    moving = {key.rpartition(".")[0] for key, value in state.items() if value.requires_grad}
    for key, value in state.items():
        changes = value.requires_grad or not isinstance(value, nn.Parameter)
        if changes and key.rpartition(".")[0] in moving and not (in_tuner(key) or matches(key, patterns)):
            tuning.originals[key] = value.detach().clone()
    return _govern(network, tuning)


def remember(network: nn.Module) -> Callable[[], None]:
    """A function that sets every parameter's ``requires_grad`` and every module's mode to what they are now."""
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    modes = [(module, module.training) for module in network.modules()]

    def restore() -> None:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        for module, mode in modes:
            module.training = mode

    return restore


def _govern(network: Network, tuning: Tuning) -> Network:
    network.tuning = tuning  # type: ignore[assignment]
    network.train = partial(_train, network)  # type: ignore[assignment, method-assign]
    return network.train(network.training)


def _train(network: nn.Module, mode: bool = True) -> nn.Module:
    """``network.train()`` of a tuned network: the one rule, whatever a training loop calls at each step."""
    tuning: Tuning = network.tuning  # type: ignore[assignment]
    type(network).train(network, False)
    if mode:
        _wake(network, "", tuning)
    return network


def _wake(module: nn.Module, name: str, tuning: Tuning, in_tuner: bool = False) -> bool:
    """Put ``module`` in training mode if it or anything inside it trains; say whether it does."""
    awake = in_tuner or bool(name and tuning.covers(name))
    awake |= any(parameter.requires_grad for parameter in module.parameters(recurse=False))
    for child, part in module.named_children():
        if isinstance(module, Tuned):
            # "base" leaves no trace in names; everything of the tuner trains.
            awake |= _wake(part, name, tuning, in_tuner or child == "tuner")
        else:
            awake |= _wake(part, f"{name}.{child}" if name else child, tuning, in_tuner)
    module.training = awake
    return awake


def merge(network: Network) -> Network:
    """A plain copy of a tuned network with the tuners folded into the weights; equal outputs, no added cost.

    Raises:
        TuningError: the network is not tuned, or its method computes from the input (DVPT and other prompts).
    """
    tuning_of(network, "merge")
    merged = copy.deepcopy(network)
    for _, holder, child in list(walk(merged)):
        module = getattr(holder, child)
        if isinstance(module, Tuned):
            setattr(holder, child, _folded(module))
    _forget(merged)
    return merged


def _folded(module: nn.Module) -> nn.Module:
    return module.tuner.merge(_folded(module.base)) if isinstance(module, Tuned) else module


@contextmanager
def disabled(network: Network) -> Iterator[Network]:
    """The network with its plain backbone for the length of a ``with`` block; head and decoder stay trained.

    Raises:
        TuningError: the network is not tuned.
    """
    tuning_of(network, "disabled")
    put_back = take_out(network)
    try:
        yield network
    finally:
        put_back()


def untune(network: Network) -> Network:
    """Take the method out again, in place: the backbone is bit for bit what it was before :func:`tune`.

    Parts that trained beside the method (head, decoder) keep what they learned. Every parameter requires a
    gradient again.

    Raises:
        TuningError: the network is not tuned.
    """
    tuning_of(network, "untune")
    take_out(network)
    _forget(network)
    return network


def take_out(network: nn.Module) -> Callable[[], None]:
    """Leave the plain backbone, in place; the function that is returned puts the very same tuners back."""
    tuning = tuning_of(network, "take_out")
    state = network.state_dict(keep_vars=True) if tuning.originals else {}
    for key, value in tuning.originals.items():
        if state[key].shape != value.shape:
            raise TuningError(
                f"take_out: {key} was {tuple(value.shape)} before tune() and is {tuple(state[key].shape)} now, so the "
                "backbone of this size is not known; resize() back, or before tune()"
            )
    taken = detach(network)
    trained = _exchange(network, tuning.originals)

    def put_back() -> None:
        for holder, child, wrapper in taken:
            setattr(holder, child, wrapper)
        _exchange(network, trained)
        _govern(network, tuning)

    return put_back


def _forget(network: nn.Module) -> None:
    mode = network.training
    del network.tuning
    del network.train
    network.requires_grad_(True).train(mode)


@torch.no_grad()
def _exchange(network: nn.Module, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write ``values`` into the network and return what they replaced."""
    state = network.state_dict(keep_vars=True) if values else {}
    replaced = {key: state[key].detach().clone() for key in values}
    for key, value in values.items():
        state[key].copy_(value)
    return replaced

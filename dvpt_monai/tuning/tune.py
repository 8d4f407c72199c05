"""Freeze a network and attach a method, and the ways back: ``tune``, ``merge``, ``disabled``, ``untune``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.narrow import check_whole, widen
from dvpt_monai.tuning.originals import Originals
from dvpt_monai.tuning.spelled import spelled
from dvpt_monai.tuning.trains import Tuning, in_tuner, matches, recorded, tuning_of
from dvpt_monai.tuning.tuned import Tuned, detach, unwrapped, walk
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["disabled", "merge", "rebase", "remember", "take_off", "take_out", "tune", "untune"]

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
            A depth embedding trains as well, unless the method spares the first blocks.

    Returns:
        The same network.

    Raises:
        TuningError: a pattern matches nothing, the network is tuned already, is in a ``DistributedDataParallel``, or
            the method finds nothing to tune; the network is then as it was.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, tune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48,
        ...                     num_layers=2, num_heads=2)
        >>> net = tune(net, DVPT(num_prompts=4, bottleneck=3))
        >>> [name for name, p in net.named_parameters() if p.requires_grad][-1]
        'head.bias'
    """
    method = spelled(method) if isinstance(method, str) else method
    if not isinstance(method, Method):
        raise TuningError(f"tune: method must be a Method such as DVPT(), not {type(method).__name__}")
    inner = unwrap_model(network, changes="tune")
    if (tuning := recorded(inner)) is not None:
        raise TuningError(
            f"tune: the network is already tuned with {tuning.method}; "
            "call untune(network) first, or give both methods at once as Stack(first, second)"
        )
    patterns = _fresh(inner, method) if train is None else tuple(train)
    if isinstance(train, str):
        raise TuningError(f"tune: train is a list of patterns, for example ['head*'], not the string {train!r}")
    chosen = method.chosen(inner)
    keys = [key for key, value in inner.state_dict(keep_vars=True).items() if isinstance(value, nn.Parameter)]
    # What a method leaves out need not be there: not every network has MONAI's unused norms.
    for pattern in (*patterns, *(pattern for pattern in chosen if not pattern.startswith("!"))):
        if not any(fnmatchcase(key, pattern.removeprefix("!")) for key in keys):
            tops = ", ".join(sorted({key.split(".")[0] for key in keys}))
            raise TuningError(f"tune: {pattern!r} matches no parameter of {type(inner).__name__}; it has: {tops}")
    if not method.spares_blocks:
        patterns += tuple(key for key in keys if key.endswith("depth_embedding") and not matches(key, patterns))

    tuning = Tuning(method, patterns, chosen)
    check_whole(inner, f"tune: {method} trains what is not whole", tuning.covers)

    restore = remember(inner)
    inner.requires_grad_(False)
    try:
        method.attach(inner)
    except Exception:
        detach(inner)
        restore()
        raise
    for key, value in inner.state_dict(keep_vars=True).items():
        if isinstance(value, nn.Parameter):
            value.requires_grad_(in_tuner(key) or tuning.covers(key))
    _govern(inner, replace(tuning, originals=Originals(_changing(inner, patterns))))
    return network


def _fresh(network: nn.Module, method: Method) -> tuple[str, ...]:
    """What no pre-trained file can fill, without what would take a gradient through blocks that a method leaves out."""
    fresh = tuple(getattr(network, "fresh", ()))
    return tuple(part for part in fresh if not part.endswith("depth_embedding")) if method.spares_blocks else fresh


def _changing(network: nn.Module, train: Sequence[str]) -> dict[str, Tensor]:
    """What training will change of the backbone itself, outside of tuners and of the parts that train beside them."""
    state = network.state_dict(keep_vars=True)
    # A module with a trained parameter is in training mode, so its buffers (running statistics) change as well.
    awake = {key.rpartition(".")[0] for key, value in state.items() if value.requires_grad}
    return {
        key: value
        for key, value in state.items()
        if (value.requires_grad or (not isinstance(value, nn.Parameter) and key.rpartition(".")[0] in awake))
        and not (in_tuner(key) or matches(key, train))
    }


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


def _govern(network: nn.Module, tuning: Tuning) -> None:
    network.tuning = tuning  # type: ignore[assignment]
    network.train = partial(_train, network)  # type: ignore[method-assign]
    network.train(network.training)


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

    Of a compiled or parallel network it is a copy of what is inside.

    Raises:
        TuningError: the network is not tuned, or its method computes from the input (DVPT and other prompts).
    """
    tuning_of(network, "merge")
    merged = copy.deepcopy(unwrap_model(network))
    widen(merged)
    for _, holder, child in list(walk(merged)):
        module = getattr(holder, child)
        if isinstance(module, Tuned):
            setattr(holder, child, _folded(module))
    _forget(merged)
    return merged  # type: ignore[return-value]


def _folded(module: nn.Module) -> nn.Module:
    return module.tuner.merge(_folded(module.base)) if isinstance(module, Tuned) else module


@contextmanager
def disabled(network: Network) -> Iterator[Network]:
    """The network with its plain backbone for the length of a ``with`` block; head and decoder stay trained.

    Only here do the values that a method trains of the backbone exist twice in memory.

    Raises:
        TuningError: the network is not tuned.
    """
    tuning_of(network, "disabled")
    put_back = take_out(unwrap_model(network))
    try:
        yield network
    finally:
        put_back()


def untune(network: Network) -> Network:
    """Take the method out again, in place: the backbone is bit for bit what it was before :func:`tune`.

    Parts that trained beside the method (head, decoder) keep what they learned. Every parameter requires a
    gradient again.

    Raises:
        TuningError: the network is not tuned, is in a ``DistributedDataParallel``, or :func:`~dvpt_monai.cast_frozen`
            rounded its backbone.
    """
    check_whole(unwrap_model(network, changes="untune"), "untune")
    take_off(network)
    return network


def take_off(network: nn.Module) -> None:
    """As :func:`untune`, and a backbone that was rounded stays so."""
    tuning = tuning_of(network, "untune")
    inner = unwrap_model(network, changes="untune")
    _check_sizes(inner, tuning.originals)
    detach(inner)
    _write(inner, tuning.originals)
    _forget(inner)


def take_out(network: nn.Module) -> Callable[[], None]:
    """Leave the plain backbone, in place; the function that is returned puts the very same tuners back."""
    tuning = tuning_of(network, "take_out")
    _check_sizes(network, tuning.originals)
    state = network.state_dict()
    trained = {key: state[key].clone() for key in tuning.originals}
    taken = detach(network)
    _write(network, tuning.originals)

    def put_back() -> None:
        for holder, child, wrapper in taken:
            setattr(holder, child, wrapper)
        _write(network, trained)
        _govern(network, tuning)

    return put_back


def rebase(network: nn.Module, keys: Iterable[str]) -> None:
    """Make the values that were just written into a network's backbone those that :func:`untune` returns to.

    What loads other weights into a network calls this; of a network that is not tuned it asks nothing. Tuners that
    took their start from the frozen weights take it again.

    Args:
        network: the network.
        keys: what was written, by its names in the state dict.
    """
    network = unwrap_model(network)
    tuning = recorded(network)
    if tuning is None:
        return
    written = set(keys)
    renewed = tuning.originals.keys() & written
    if renewed:
        state = network.state_dict()
        originals = Originals({**tuning.originals, **{key: state[key] for key in renewed}})
        network.tuning = replace(tuning, originals=originals)  # type: ignore[assignment]
    for name, holder, child in walk(network):
        module = getattr(holder, child)
        while isinstance(module, Tuned):
            if any(key.startswith(f"{name}.") for key in written):
                module.tuner.rebase(unwrapped(module))
            module = module.base


def _forget(network: nn.Module) -> None:
    mode = network.training
    del network.tuning
    del network.train
    network.requires_grad_(True).train(mode)


def _check_sizes(network: nn.Module, originals: Mapping[str, Tensor]) -> None:
    state = network.state_dict()
    for key, value in originals.items():
        if state[key].shape != value.shape:
            raise TuningError(
                f"take_out: {key} was {tuple(value.shape)} before tune() and is {tuple(state[key].shape)} now, so the "
                "backbone of this size is not known; resize() back, or before tune()"
            )


@torch.no_grad()
def _write(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    state = network.state_dict(keep_vars=True)
    for key, value in values.items():
        state[key].copy_(value)

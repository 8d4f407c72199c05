"""Freeze a network, attach a method, and say what trains: ``tune``, ``report``, ``merge``, ``disabled``, ``untune``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from dvpt_monai.tuning.tuned import Tuned, TuningError, detach, walk

__all__ = [
    "METHODS",
    "Method",
    "Report",
    "Stack",
    "Tuning",
    "disabled",
    "merge",
    "parameter_groups",
    "report",
    "trained_tensors",
    "tune",
    "untune",
]

METHODS: dict[str, type[Method]] = {}
"""Every method by the name of its class; the header of an adapter and the contract tests read it."""

UNDECAYED = ("prompt", "gate", "magnitude", "cls_token", "register", "position", "depth")
"""Beginnings of the names of tensors with several axes that weight decay leaves alone."""

Network = TypeVar("Network", bound=nn.Module)


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to tune a frozen network; subclasses are frozen dataclasses, one paper a file.

    The constructor is the Python API, the ``_target_`` of a bundle and the header of an adapter at once.
    """

    paper: ClassVar[str] = ""
    """Authors, title and arXiv number."""

    size: ClassVar[str] = ""
    """The argument that sets how many parameters train; :func:`~dvpt_monai.match_budget` turns it."""

    merges: ClassVar[bool] = False
    """Whether :func:`merge` folds a trained network into plain weights."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        METHODS[cls.__name__] = cls

    @property
    def starts_as_identity(self) -> bool:
        """Whether a network computes the same right after :func:`tune` as before it."""
        return True

    def attach(self, network: nn.Module) -> None:
        """Put this method's tuners into the frozen network, in place."""

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        """Patterns of the backbone's own parameters that this method trains; none by default."""
        return ()

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments as JSON-ready values, with the method's name under ``method``."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"method": type(self).__name__, **values}

    @staticmethod
    def from_arguments(arguments: dict[str, Any]) -> Method:
        """Build the method that :meth:`arguments` described.

        Raises:
            TuningError: the name or an argument is unknown in this version.

        Example:
            >>> from dvpt_monai import DVPT, Method
            >>> Method.from_arguments(DVPT(num_prompts=10).arguments()).num_prompts
            10
        """
        values = dict(arguments)
        name = values.pop("method", None)
        if name not in METHODS:
            raise TuningError(f"method {name!r} is not known; this version has {', '.join(sorted(METHODS))}")
        for key, value in values.items():
            if isinstance(value, list):
                values[key] = tuple(value)
        try:
            return METHODS[name](**values)
        except TypeError as error:
            raise TuningError(f"method {name}: {error}") from error


@dataclasses.dataclass(frozen=True, init=False)
class Stack(Method):
    """Several methods on one network, attached in the order given.

    Args:
        parts: the methods; later ones wrap earlier ones where both choose the same module.
        methods: the same by keyword, as a bundle's JSON gives them.

    Example:
        >>> from dvpt_monai import DVPT, BitFit, Stack
        >>> Stack(DVPT(), BitFit()).methods[1]
        BitFit()
    """

    methods: tuple[Method, ...]

    def __init__(self, *parts: Method, methods: Sequence[Method | dict[str, Any]] = ()) -> None:
        built = tuple(m if isinstance(m, Method) else Method.from_arguments(m) for m in (*parts, *methods))
        if not built:
            raise TuningError("Stack needs at least one method")
        object.__setattr__(self, "methods", built)

    @property
    def starts_as_identity(self) -> bool:
        return all(method.starts_as_identity for method in self.methods)

    @property
    def merges(self) -> bool:  # type: ignore[override]
        return all(method.merges for method in self.methods)

    def attach(self, network: nn.Module) -> None:
        for method in self.methods:
            method.attach(network)

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        return tuple(pattern for method in self.methods for pattern in method.chosen(network))

    def arguments(self) -> dict[str, Any]:
        return {"method": "Stack", "methods": [method.arguments() for method in self.methods]}


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What :func:`tune` did to a network; kept on it as ``network.tuning``.

    Args:
        method: the method.
        train: patterns of whole parts that train beside the tuners (head, decoder).
        chosen: patterns of the backbone's own parameters that the method trains.
        originals: those parameters, and the buffers beside them, as they were: for :func:`disabled` and :func:`untune`.
    """

    method: Method
    train: tuple[str, ...]
    chosen: tuple[str, ...]
    originals: dict[str, Tensor]

    def covers(self, name: str) -> bool:
        """Whether a module or tensor of this name trains by either list of patterns."""
        return _matches(name, self.train) or _matches(name, self.chosen)


def tune(network: Network, method: Method, train: Sequence[str] | None = None) -> Network:
    """Freeze ``network``, attach ``method``, and let what matches ``train`` learn beside it, in place.

    From here on ``network.train()`` follows one rule: a module is in training mode when it, or something inside it,
    belongs to a tuner or to ``train``; every other module stays in evaluation mode, so that dropout and running
    statistics of the frozen backbone never wake.

    Args:
        network: any network of this package, or another one whose parts the method finds.
        method: what to attach.
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
    if not isinstance(method, Method):
        raise TuningError(f"tune: method must be a Method such as DVPT(), not {type(method).__name__}")
    if (tuning := _tuning_of(network)) is not None:
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
    patterns += tuple(key for key in keys if key.endswith("depth_embedding") and not _matches(key, patterns))

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
            value.requires_grad_(_in_tuner(key) or tuning.covers(key))
    # A module with a trained parameter is in training mode, so its buffers (running statistics) change as well.
    moving = {key.rpartition(".")[0] for key, value in state.items() if value.requires_grad}
    for key, value in state.items():
        changes = value.requires_grad or not isinstance(value, nn.Parameter)
        if changes and key.rpartition(".")[0] in moving and not (_in_tuner(key) or _matches(key, patterns)):
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


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether any pattern matches and none that begins with ``!`` does."""
    if any(fnmatchcase(name, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _in_tuner(key: str) -> bool:
    return ".tuner." in f".{key}"


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Everything that training can change, by its name in the state dict: parameters, and buffers beside them.

    Tensors that several blocks share come once. This is what an adapter holds; :func:`frozen_tensors` are the rest.
    """
    tuning = _tuning(network, "trained_tensors")
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        trained = _in_tuner(key) or _matches(key, tuning.train) or key in tuning.originals
        if trained and id(value) not in seen:
            seen.add(id(value))
            tensors[key] = value
    return tensors


def frozen_tensors(network: nn.Module) -> dict[str, Tensor]:
    """The backbone as no training changes it, by name."""
    trained = {id(value) for value in trained_tensors(network).values()}
    state = network.state_dict(keep_vars=True)
    return {key: value for key, value in state.items() if id(value) not in trained}


@dataclasses.dataclass(frozen=True)
class Report:
    """How much of a tuned network trains, in numbers of parameters.

    Args:
        method: the method's own parameters: tuners, and what it trains of the backbone.
        fresh: parts that train beside it: head, decoder, new norms, depth embedding.
        backbone: the pre-trained network without the fresh parts, trained or not.
    """

    method: int
    fresh: int
    backbone: int

    @property
    def percent(self) -> float:
        """The method's parameters in percent of the backbone's; head and decoder apart, as both papers count."""
        return 100.0 * self.method / max(self.backbone, 1)

    @property
    def trainable(self) -> int:
        """Everything that trains."""
        return self.method + self.fresh

    def __str__(self) -> str:
        return "\n".join(
            (
                f"method            {self.method:>13,}   {self.percent:.3f} % of the backbone",
                f"head and decoder  {self.fresh:>13,}",
                f"backbone          {self.backbone:>13,}",
                f"adapter file      {4 * self.trainable / 1e6:>13.2f}   MB in float32",
            )
        )


def report(network: nn.Module) -> Report:
    """Count what trains in a tuned network.

    Raises:
        TuningError: the network is not tuned.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, report, tune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48,
        ...                     num_layers=2, num_heads=2)
        >>> report(tune(net, DVPT(num_prompts=4, bottleneck=3))).method
        368
    """
    tuning = _tuning(network, "report")
    counts = {"method": 0, "fresh": 0, "backbone": 0}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        if not isinstance(value, nn.Parameter) or id(value) in seen:
            continue
        seen.add(id(value))
        if _in_tuner(key):
            counts["method"] += value.numel()
        elif _matches(key, tuning.train):
            counts["fresh"] += value.numel()
        else:
            counts["backbone"] += value.numel()
            counts["method"] += value.numel() if value.requires_grad else 0
    return Report(**counts)


def parameter_groups(
    network: nn.Module, lr: float, head_lr: float | None = None, weight_decay: float = 1e-4
) -> list[dict[str, Any]]:
    """Optimizer groups of a network: fresh parts at their own rate; no decay on prompts, gates, biases and norms.

    Args:
        network: tuned, or with ``requires_grad`` set by hand.
        lr: learning rate of the method's parameters.
        head_lr: learning rate of the parts matched by ``train=``; ``lr`` when None.
        weight_decay: for weight matrices and kernels; a tuner names its prompts ``prompts*`` and its gate ``gate``.

    Raises:
        TuningError: nothing in the network trains.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai import parameter_groups
        >>> [(len(g["params"]), g["weight_decay"]) for g in parameter_groups(nn.Linear(2, 2), lr=0.1)]
        [(1, 0.0001), (1, 0.0)]
    """
    tuning = _tuning_of(network)
    fresh = tuning.train if tuning else ()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        if not isinstance(value, nn.Parameter) or not value.requires_grad or id(value) in seen:
            continue
        seen.add(id(value))
        name = key.rsplit(".", 1)[-1]
        decays = value.ndim > 1 and not name.startswith(UNDECAYED)
        groups.setdefault((_matches(key, fresh), decays), []).append(value)
    if not groups:
        raise TuningError(f"parameter_groups: nothing in {type(network).__name__} trains; call tune() first")
    return [
        {
            "params": parameters,
            "lr": head_lr if is_fresh and head_lr is not None else lr,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (is_fresh, decays), parameters in groups.items()
    ]


def merge(network: Network) -> Network:
    """A plain copy of a tuned network with the tuners folded into the weights; equal outputs, no added cost.

    Raises:
        TuningError: the network is not tuned, or its method computes from the input (DVPT and other prompts).
    """
    _tuning(network, "merge")
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
    _tuning(network, "disabled")
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
    _tuning(network, "untune")
    take_out(network)
    _forget(network)
    return network


def take_out(network: nn.Module) -> Callable[[], None]:
    """Leave the plain backbone, in place; the function that is returned puts the very same tuners back."""
    tuning = _tuning(network, "take_out")
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


def _tuning_of(network: nn.Module) -> Tuning | None:
    tuning = getattr(network, "tuning", None)
    return tuning if isinstance(tuning, Tuning) else None


def _tuning(network: nn.Module, asked: str) -> Tuning:
    tuning = _tuning_of(network)
    if tuning is None:
        raise TuningError(f"{asked}: the network is not tuned; call tune(network, method) first")
    return tuning

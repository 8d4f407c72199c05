"""What every tuning method is, and two of them at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from dvpt_monai.errors import TuningError, did_you_mean

__all__ = ["METHODS", "Method", "Space", "Stack"]

METHODS: dict[str, type[Method]] = {}
"""Every method by the name of its class; the header of an adapter and the contract tests read it."""

Space = Mapping[str, Sequence[Any]]
"""Values to try, by the name of a method's argument or of a bundle's option: a tuple (low, high) of positive numbers
between which one is drawn, evenly on a logarithmic scale, or a list of choices."""


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

    spares_blocks: ClassVar[bool] = False
    """Whether no gradient reaches the first blocks, nor what stands before them, such as a depth embedding."""

    search: ClassVar[Space] = {"learning_rate": (1e-4, 1e-2)}
    """What ``compare`` tries with this method, beside the head's learning rate."""

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

    def changed(self) -> dict[str, Any]:
        """The arguments that are not the defaults.

        Example:
            >>> from dvpt_monai import DVPT
            >>> DVPT(num_prompts=10).changed()
            {'num_prompts': 10}
        """
        fields = dataclasses.fields(self)
        return {f.name: value for f in fields if (value := getattr(self, f.name)) != f.default}

    @staticmethod
    def named(name: str) -> Method:
        """The method of this name with its defaults.

        Raises:
            TuningError: there is none, or it has an argument without a default.

        Example:
            >>> from dvpt_monai import Method
            >>> Method.named("BitFit")
            BitFit()
        """
        if name not in METHODS and (near := did_you_mean(name, sorted(METHODS))):
            raise TuningError(f"method {name!r} is not known; did you mean {near}?")
        return Method.from_arguments({"method": name})

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

    @staticmethod
    def completed(arguments: dict[str, Any]) -> dict[str, Any]:
        """What :meth:`arguments` gave in an earlier version, with the defaults of arguments that came later.

        A method or an argument that this version does not know stays as it is.

        Example:
            >>> from dvpt_monai import LST, Method
            >>> Method.completed({"method": "LST", "reduction": 4}) == LST(reduction=4).arguments()
            True
        """
        try:
            return Method.from_arguments(arguments).arguments()
        except TuningError:
            return dict(arguments)


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

    @property
    def spares_blocks(self) -> bool:  # type: ignore[override]
        return all(method.spares_blocks for method in self.methods)

    def attach(self, network: nn.Module) -> None:
        for method in self.methods:
            method.attach(network)

    def chosen(self, network: nn.Module) -> tuple[str, ...]:
        return tuple(pattern for method in self.methods for pattern in method.chosen(network))

    def arguments(self) -> dict[str, Any]:
        return {"method": "Stack", "methods": [method.arguments() for method in self.methods]}

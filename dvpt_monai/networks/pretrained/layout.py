"""How a foreign project names the tensors of its vision transformer, as a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.normalizations import IMAGENET, Normalization

__all__ = ["POSITIONS", "Layout"]

POSITIONS = "patch_embedding.position_embeddings"


@dataclass(frozen=True)
class Layout:
    """A table from foreign names to the encoder's, and what the names alone do not say.

    In ``names``, ``#`` stands for the number of a block, ``?`` for a number that does not matter and ``*`` for
    ``weight`` or ``bias``. Beside the encoder's own names, a target may be ``blocks.#.attn.q``, ``.k`` and ``.v``
    (packed into ``qkv``), ``blocks.#.mlp.gate`` and ``.value`` (packed into SwiGLU's ``linear1``), or
    ``blocks.#.scale1`` and ``scale2`` (LayerScale, folded). Where two names have one target,
    the first of the table is taken.

    Args:
        name: in receipts and messages.
        title: what is known under it.
        names: foreign names to the encoder's.
        marks: names that tell the layout; of a tuple, one.
        ignored: patterns of names among the encoder's that its tokens do not depend on.
        place: what the path to the encoder ends in.
        beside: names outside the encoder that tell the layout.
        refines: the layouts of which this one is a special case.
        eps: of the LayerNorms, which no file holds.
        activation: of the feed-forward parts; ``None`` where networks of this layout differ.
        gated: whether some of them have SwiGLU, which the tensors tell.
        rotary: settings of their rotation; ``None`` if queries and keys are not turned.
        key_bias: whether keys have a bias where queries have; else it is zero.
        normalization: mean and standard deviation that such networks were trained with, of values in [0, 1].
        slots: which tokens have a slot among the positions: ``"none"``, ``"cls"``, or ``"all"`` before the patches; of
            several, the first that leaves a square.
        position_resize: how its authors interpolate positions in the plane, by the names of
            :func:`~dvpt_monai.networks.resize.resize_positions`.
        antialiased: names of tensors with which they do it ``"antialias"``.
        heads: of widths whose number of heads is another than usual.
        head_width: channels of a head of all other widths; ``None`` if they have no usual one.
        whole: whether names beside the encoder, as ``vit`` of a network, are also those of this package's networks.
        dims: of the images, where one file has an encoder of images and of volumes; else its kernel tells.
    """

    name: str
    title: str
    names: Mapping[str, str]
    marks: tuple[str | tuple[str, ...], ...]
    ignored: tuple[str, ...] = ()
    place: str = ""
    beside: tuple[str, ...] = ()
    refines: tuple[str, ...] = ()
    eps: float = 1e-6
    activation: str | None = "gelu"
    gated: bool = False
    rotary: Mapping[str, Any] | None = None
    key_bias: bool = True
    normalization: Normalization | None = IMAGENET
    slots: tuple[str, ...] = ("cls", "all")
    position_resize: str = "plain"
    antialiased: tuple[str, ...] = ()
    heads: Mapping[int, int] = field(default_factory=dict)
    head_width: int | None = 64
    whole: bool = False
    dims: int | None = None

    def places(self, keys: set[str]) -> list[str]:
        """The paths, such as ``"module.backbone."``, at which an encoder of this layout lies."""
        anchors = _alternatives(self.marks[0])
        paths = {key.removesuffix(a) for key in keys for a in anchors if key == a or key.endswith(f".{a}")}
        return sorted(
            path
            for path in paths
            if (path == self.place or path.endswith(f".{self.place}" if self.place else ""))
            and all(any(path + mark in keys for mark in _alternatives(marks)) for marks in self.marks)
            and all(self.outside(path) + name in keys for name in self.beside)
        )

    def outside(self, path: str) -> str:
        """The path to the network that holds the encoder."""
        return path.removesuffix(self.place)

    def translate(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Tensors under the table's targets, and the names that it passes over.

        Raises:
            PretrainedError: a tensor lies inside the encoder and the table does not know it.
        """
        parts: dict[str, tuple[int, Tensor]] = {}
        ignored = []
        for key, value in state.items():
            rank, target = self._target(key)
            if target and (target not in parts or rank < parts[target][0]):
                parts[target] = rank, value
            elif not target and self._inside(key) and not self.knows(key):
                raise PretrainedError(f"the encoder has no place for {key} and would compute something else without it")
            else:
                ignored.append(key)
        return {target: value for target, (_, value) in parts.items()}, ignored

    def prepare(
        self, state: Mapping[str, Tensor], path: str, patch: tuple[int, ...] | None = None
    ) -> dict[str, Tensor]:
        """The tensors of the encoder at this path, by their names from there on; its patch, if a config names it."""
        return {key.removeprefix(path): value for key, value in state.items() if key.startswith(path)}

    def heads_in(self, inside: Mapping[str, Tensor]) -> int | None:
        """The attention heads, where the tensors of the encoder tell them."""
        return None

    def knows(self, key: str) -> bool:
        """Whether a name has a target, or is one that may be passed over."""
        return bool(self._target(key)[1]) or any(fnmatchcase(key, entry) for entry in self.ignored)

    def resize_of(self, names: Collection[str]) -> str:
        """How its authors interpolate the positions of a network that has tensors of these names."""
        return "antialias" if any(name in names for name in self.antialiased) else self.position_resize

    def _target(self, key: str) -> tuple[int, str | None]:
        for rank, (pattern, target) in enumerate(self._rules):
            match = pattern.fullmatch(key)
            if match:
                return rank, target.replace("#", match["block"] or "").replace("*", match["kind"] or "")
        return len(self._rules), None

    def _inside(self, key: str) -> bool:
        return "." not in key or key.split(".")[0] in self._roots

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], str]]:
        tokens = {"#": r"(?P<block>\d+)", "?": r"\d+", "*": "(?P<kind>weight|bias)"}
        rules = []
        for name, target in self.names.items():
            pattern = "".join(tokens.get(part, re.escape(part)) for part in re.split(r"([#?*])", name))
            pattern += "".join(f"(?P<{group}>)?" for group in ("block", "kind") if f"?P<{group}>" not in pattern)
            rules.append((re.compile(pattern), target))
        return rules

    @cached_property
    def _roots(self) -> set[str]:
        return {name.split(".")[0] for name in self.names if "." in name}


def _alternatives(marks: str | tuple[str, ...]) -> Iterable[str]:
    return (marks,) if isinstance(marks, str) else marks

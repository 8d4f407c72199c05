"""Find the vision transformer in what a file holds, by the names of its tensors alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.backbone import Backbone
from dvpt_monai.networks.pretrained.config import Config
from dvpt_monai.networks.pretrained.families import family
from dvpt_monai.networks.pretrained.fold import (
    equal_sided,
    fold_positions,
    fold_scales,
    pack_attention,
    pack_gates,
    zero_patch_bias,
)
from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout
from dvpt_monai.networks.pretrained.layouts import LAYOUTS
from dvpt_monai.networks.pretrained.normalizations import Normalization
from dvpt_monai.networks.pretrained.source import Checkpoint
from dvpt_monai.networks.rotary import complete_rotary

__all__ = ["recognise", "walk"]

WRAPPERS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and activation checkpointing put into names, anywhere."""
PREFERRED = {"teacher", "base_encoder"}
"""Of several copies of an encoder, the one that its authors evaluate: DINO's teacher, MoCo's base encoder."""

State = dict[str, Tensor]


@dataclass(frozen=True)
class Claim:
    """One layout's claim to a path inside one state dict of the file."""

    layout: Layout
    nest: tuple[str, ...]
    path: str

    def __str__(self) -> str:
        where = ".".join((*self.nest, self.path.rstrip("."))).strip(".")
        return f"{self.layout.name} at {where!r}" if where else self.layout.name


def recognise(checkpoint: Checkpoint, dims: int | None = None) -> Backbone:
    """The backbone in a checkpoint, wherever it nests: bare, or under ``"model"``, ``"state_dict"``, ``"teacher"``.

    Args:
        checkpoint: what a source holds.
        dims: 2 or 3, for a file that has an encoder of images and one of volumes; what the catalog says comes first.

    Raises:
        PretrainedError: no layout claims it, several do, or it is incomplete or computes what the encoder cannot.
    """
    name = checkpoint.name
    if not isinstance(checkpoint.content, Mapping):
        raise PretrainedError(f"load_pretrained: {name} holds {type(checkpoint.content).__name__}, not a state dict")
    states = dict(walk(checkpoint.content))
    if not states:
        raise PretrainedError(f"load_pretrained: {name} holds no tensors; give a state dict")
    config = checkpoint.config or Config()
    claim = _claim(states, name, config.dims or dims)
    try:
        backbone = _read(claim, states[claim.nest], name, config)
        backbone.arguments()
    except PretrainedError as error:
        raise PretrainedError(f"load_pretrained: {name}: {error}") from error
    except KeyError as error:
        raise PretrainedError(f"load_pretrained: {name} lacks {error.args[0]}; it is incomplete") from error
    except (IndexError, RuntimeError, ValueError) as error:
        raise PretrainedError(
            f"load_pretrained: {name}: its tensors do not fit each other ({error}); it is damaged, or no {claim}"
        ) from error
    return backbone


def walk(content: Mapping[Any, Any], nest: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], State]]:
    """Every mapping that holds tensors by name, with the path to it."""
    state = {
        WRAPPERS.sub("", key): value for key, value in content.items() if isinstance(value, Tensor) and type(key) is str
    }
    if state:
        yield nest, state
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from walk(value, (*nest, str(key)))


def _claim(states: Mapping[tuple[str, ...], State], name: str, dims: int | None) -> Claim:
    claims = [
        Claim(layout, nest, path)
        for nest, state in states.items()
        for layout in LAYOUTS
        for path in layout.places(set(state))
    ]
    special = {(name, claim.nest, claim.path) for claim in claims for name in claim.layout.refines}
    claims = [claim for claim in claims if (claim.layout.name, claim.nest, claim.path) not in special]
    best = [claim for claim in claims if PREFERRED & {*claim.nest, *claim.path.split(".")}] or claims
    best = [claim for claim in best if dims is None or claim.layout.dims in (None, dims)] or best
    if len(best) == 1:
        return best[0]
    if best:
        one = (
            "spatial_dims=2 or 3" if len({claim.layout.dims for claim in best}) > 1 else "the state dict of one of them"
        )
        raise PretrainedError(
            f"load_pretrained: {name} holds several vision transformers: {', '.join(map(str, best))}; give {one}"
        )
    keys = [key for state in states.values() for key in state]
    looks = family(keys)
    raise PretrainedError(
        f"load_pretrained: {name} "
        + (f"looks like {looks}" if looks else "is no vision transformer of a known layout")
        + f"; it holds {', '.join(sorted(keys)[:4])} ... Layouts that load: {', '.join(lay.name for lay in LAYOUTS)}"
    )


def _read(claim: Claim, state: State, name: str, config: Config) -> Backbone:
    layout, path = claim.layout, claim.path
    inside = layout.prepare(state, path, config.patch)
    looks = family(key for key in inside if not layout.knows(key))
    if looks:
        raise PretrainedError(f"this is {looks}")
    parts, passed = layout.translate(inside)
    if tuple(parts.get("register_tokens", torch.empty(1)).shape[1:2]) == (0,):
        del parts["register_tokens"]  # transformers' DINOv3 keeps an empty row of them
    for key, value in parts.items():
        if not value.is_floating_point():
            raise PretrainedError(f"{key} is {value.dtype}; give weights that are not quantised")
        if not value.numel():
            raise PretrainedError(f"{key} is empty; give a complete file")
    beside = {key: value for key, value in state.items() if not key.startswith(path)}
    # Beside an encoder of MONAI's layout lies its decoder or head, under the names of the network here.
    holder = path.removesuffix("vit.") if layout.whole and path.endswith("vit.") else None
    rest = {} if holder is None else {k.removeprefix(holder): v for k, v in beside.items() if k.startswith(holder)}

    kernel = parts["patch_embedding.patch_embeddings.weight"]
    dims, grid = kernel.ndim - 2, config.grid(kernel.shape[2:])
    pack_attention(parts, layout.key_bias)
    pack_gates(parts)
    rotary = _rotary(layout, config, dims)
    if POSITIONS not in parts and not (rotary or layout.whole):
        raise KeyError(POSITIONS)
    dtypes = {key: str(value.dtype).removeprefix("torch.") for key, value in parts.items()}
    folded = [*fold_scales(parts), *fold_positions(parts, dims, grid, layout.slots), *zero_patch_bias(parts)]
    count = parts[POSITIONS].shape[1] if POSITIONS in parts else prod(grid or ())
    certain = grid is not None and prod(grid) == count
    return Backbone(
        source=name,
        layout=layout.name,
        tensors=parts,
        grid=grid if certain else equal_sided(count, dims) if POSITIONS in parts else None,
        certain=certain,
        eps=config.eps or layout.eps,
        normalization=None
        if config.asks
        else _of_channels(kernel.shape[1], config.normalization or layout.normalization),
        position_resize=(config.position_resize or layout.resize_of(inside)) if dims == 2 else "plain",
        folded=tuple(folded),
        ignored=(
            *(path + key for key in passed),
            *(key for key in beside if holder is None or not key.startswith(holder)),
        ),
        rest=rest,
        activation=_activation(parts, layout, config),
        rotary=rotary,
        heads=config.heads or layout.heads_in(inside),
        published=layout.heads,
        head_width=layout.head_width,
        dtypes=dtypes,
        origin=config.origin,
    )


def _activation(parts: State, layout: Layout, config: Config) -> str | None:
    """The activation, which two layers that do not fit tell to be SwiGLU, where the layout has networks with it.

    Raises:
        PretrainedError: the layers fit neither, or the config says otherwise.
    """
    known = config.activation or layout.activation
    gives, reads = parts["blocks.0.mlp.linear1.weight"].shape[0], parts["blocks.0.mlp.linear2.weight"].shape[1]
    gated = layout.gated and gives == 2 * reads
    if gives != reads and not gated:
        raise PretrainedError(
            f"the first layer of its MLPs gives {gives} values and the second reads {reads}, which no MLP of the "
            f"layout {layout.name} does; it is damaged, or of another network"
        )
    if config.activation and gated != (config.activation == "swiglu"):
        raise PretrainedError(
            f"its config names the activation {config.activation}, and its MLPs are {'' if gated else 'not '}gated"
        )
    return "swiglu" if gated else known


def _rotary(layout: Layout, config: Config, dims: int) -> dict[str, Any] | None:
    """The rotation of a layout's networks, with what a config says otherwise; or that of a converted file."""
    if layout.rotary is None and not layout.whole:
        return None
    known = layout.rotary if config.rotary is None else {**(layout.rotary or {}), **config.rotary}
    return None if known is None else complete_rotary(known, dims)


def _of_channels(channels: int, normalization: Normalization | None) -> Normalization | None:
    """A normalisation, if it has a mean and a standard deviation for each channel: that of colours is not of others."""
    return normalization if normalization and len(normalization[0]) == len(normalization[1]) == channels else None

"""Copy pre-trained tensors into a network: all of its encoder, but for what was named, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.adapt import Adapted
from dvpt_monai.networks.pretrained.backbone import DEPTH, Backbone
from dvpt_monai.networks.pretrained.encoder import advice, encoder_of
from dvpt_monai.networks.pretrained.receipt import conversions
from dvpt_monai.tuning.trains import in_tuner

__all__ = ["Filled", "allowed", "check_complete", "fill"]


@dataclass(frozen=True)
class Filled:
    """What became of a source's tensors and of an encoder's.

    Args:
        loaded: names in the network that were filled.
        missing: names in the network that were not, which was allowed.
        unused: names of the source that the network has no place for.
        converted: whose precision is another in the network.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    converted: tuple[str, ...]


def fill(network: nn.Module, backbone: Backbone, adapted: Adapted, allow_missing: Sequence[str] = ()) -> Filled:
    """Copy the adapted tensors of a backbone into the encoder of a network, and what else fits beside it.

    Raises:
        PretrainedError: not everything of the encoder is filled; the network is then unchanged.
    """
    encoder, prefix = encoder_of(network)
    state, tensors = encoder.state_dict(), adapted.tensors
    depth = len(encoder.blocks)
    unplaced = [key for key in tensors if key not in state and not _beyond(key, depth)]
    # What training starts afresh is not the file's to fill: the norm behind a tap, a new depth embedding.
    fresh = {key for key in state if any(fnmatchcase(key, pattern) for pattern in encoder.fresh)}
    wanted = [key for key in state if not in_tuner(key) and (key not in fresh or (key == DEPTH and key in tensors))]
    fitting = advice(backbone.arguments())
    missing = check_complete(backbone.source, tensors, state, wanted, unplaced, allow_missing, fitting, prefix)
    whole = network.state_dict()
    inside = [key for key in wanted if key in tensors]
    outside = [key for key, value in backbone.rest.items() if key in whole and value.shape == whole[key].shape]
    with torch.no_grad():
        for key in inside:
            state[key].copy_(tensors[key])
        for key in outside:
            whole[key].copy_(backbone.rest[key])
    return Filled(
        loaded=(*(prefix + key for key in inside), *outside),
        missing=missing,
        unused=(
            *(key for key in tensors if key not in wanted),
            *(key for key in backbone.rest if key not in outside),
        ),
        converted=conversions((backbone.dtypes[key], state[key].dtype) for key in inside if key in backbone.dtypes),
    )


def _beyond(key: str, depth: int) -> bool:
    return key.startswith("blocks.") and int(key.split(".")[1]) >= depth


def check_complete(
    source: str,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    wanted: Sequence[str],
    unplaced: Sequence[str],
    allow_missing: Sequence[str],
    advised: str,
    prefix: str = "",
) -> tuple[str, ...]:
    """Check that the tensors of a source fit a network, before anything is copied.

    Args:
        source: what the file is called, for messages.
        tensors: of the source, under the network's names.
        state: of the network.
        wanted: names of the network that have to be filled.
        unplaced: names of the source that belong to the encoder, but have no place in this one.
        allow_missing: shell patterns of names, with their prefix, that may stay as the network has them.
        advised: which arguments of the constructor would fit, with a space before it.
        prefix: where the encoder lies in the network.

    Returns:
        What is missing and may be, with its prefix.

    Raises:
        PretrainedError: something is missing, has no place or another shape; or a pattern matches nothing missing.
    """
    absent = [prefix + key for key in wanted if key not in tensors]
    kept = allowed(absent, allow_missing, source)
    missing = [key for key in absent if key not in kept]
    wrong = [
        f"{key} {tuple(tensors[key].shape)}, not {tuple(state[key].shape)}"
        for key in wanted
        if key in tensors and tensors[key].shape != state[key].shape
    ]
    if missing or wrong or unplaced:
        filled = len(wanted) - len(absent) - len(wrong)
        problems = {"missing": missing, "without a place in it": unplaced, "of another shape": wrong}
        raise PretrainedError(
            f"load_pretrained: {source} fills {filled} of the encoder's {len(wanted)} tensors; "
            + "; ".join(f"{problem}: {', '.join(keys[:3])}" for problem, keys in problems.items() if keys)
            + f".{advised}"
            + ("; allow_missing names what may be missing" if missing else "")
        )
    return tuple(kept)


def allowed(missing: Sequence[str], patterns: Sequence[str], source: str) -> list[str]:
    """Those of the missing names that a shell pattern matches.

    Args:
        missing: names that the source does not fill.
        patterns: shell patterns of names that may stay as the network has them.
        source: what the file is called, for messages.

    Raises:
        PretrainedError: the patterns are one string, or one of them matches nothing that is missing: it was mistyped,
            or the file is more complete than was believed.

    Example:
        >>> allowed(["norm.weight", "norm.bias", "cls_token"], ["norm.*"], "vit.pt")
        ['norm.weight', 'norm.bias']
    """
    if isinstance(patterns, str):
        raise PretrainedError(f"allow_missing is a list of patterns, for example ['norm.*'], not {patterns!r}")
    for pattern in patterns:
        if not any(fnmatchcase(key, pattern) for key in missing):
            more = " ..." if len(missing) > 4 else ""
            lacks = f"it lacks {', '.join(missing[:4]) or 'nothing'}{more}"
            raise PretrainedError(
                f"allow_missing: {pattern!r} matches nothing that {source} lacks ({lacks}); correct it or take it out"
            )
    return [key for key in missing if any(fnmatchcase(key, pattern) for pattern in patterns)]

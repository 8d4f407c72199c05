"""A pre-trained file fills an encoder completely, or but for what was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor

from dvpt_monai.errors import PretrainedError

__all__ = ["allowed", "complete"]


def complete(
    source: str,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    wanted: Sequence[str],
    unplaced: Sequence[str],
    allow_missing: Sequence[str],
    advice: str,
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
        advice: which arguments of the constructor would fit, with a space before it.
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
        found = len(wanted) - len(absent) - len(wrong)
        problems = {"missing": missing, "without a place in it": unplaced, "of another shape": wrong}
        raise PretrainedError(
            f"load_pretrained: {source} fills {found} of the encoder's {len(wanted)} tensors; "
            + "; ".join(f"{problem}: {', '.join(keys[:3])}" for problem, keys in problems.items() if keys)
            + f".{advice}"
            + "; allow_missing names what may be missing" * bool(missing)
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
            lacks = f"it lacks {', '.join(missing[:4])}{' ...' * (len(missing) > 4)}" if missing else "it lacks nothing"
            raise PretrainedError(
                f"allow_missing: {pattern!r} matches nothing that {source} lacks ({lacks}); correct it or take it out"
            )
    return [key for key in missing if any(fnmatchcase(key, pattern) for pattern in patterns)]

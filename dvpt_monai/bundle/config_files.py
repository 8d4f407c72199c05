"""Configs that stand on another, such as ``evaluate.json`` on ``train.json``, and were given alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle.reference_resolver import ReferenceResolver
from monai.utils import ensure_tuple

from dvpt_monai.errors import BundleError

__all__ = ["check_config_files"]


def check_config_files(files: str | os.PathLike[str] | Sequence[str], config: Mapping[str, Any]) -> None:
    """Refuse configs that refer to what only a config beside them defines.

    Args:
        files: that were given, as MONAI takes them.
        config: their content together.

    Raises:
        BundleError: says which config to give before them.
    """
    given = [Path(file) for file in ensure_tuple(files)]
    missing = {name for name in _references(config) if name not in config}
    if not missing:
        return
    for beside in sorted(given[0].parent.glob("*.json")):
        try:
            names = json.loads(beside.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if beside not in given and isinstance(names, dict) and missing <= names.keys():
            lacks = f"lacks {', '.join(sorted(missing)[:3])}{', ...' if len(missing) > 3 else ''}"
            both = ",".join(f"'{path}'" for path in (beside, *given))
            raise BundleError(f'{given[0]} alone {lacks}; give both: --config_file "[{both}]"')


def _references(content: Any) -> Iterator[str]:
    """The entries at the top that a config refers to, but for relative ones."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name != "_meta_":
                yield from _references(value)
    elif isinstance(content, list):
        for value in content:
            yield from _references(value)
    elif isinstance(content, str):
        tops = (re.split("#|::", reference)[0] for reference in ReferenceResolver.match_refs_pattern(content))
        yield from (top for top in tops if top and top != "_meta_")

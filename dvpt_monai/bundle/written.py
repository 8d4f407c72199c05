"""What stands in the config whose expression runs."""

from __future__ import annotations

from typing import Any

from dvpt_monai.bundle.callers import asking_config
from dvpt_monai.errors import BundleError

__all__ = ["written"]


def written(*names: str) -> dict[str, Any]:
    """Paragraphs of the config that asks, as they stand there, with what the command line or a program changed.

    What they refer to is not followed.

    Args:
        names: of the paragraphs.

    Raises:
        BundleError: no config asks, or it has no such paragraph.

    Example:
        >>> from monai.bundle import ConfigParser
        >>> content = {"imports": ["$import dvpt_monai.bundle as bundle"], "size": 4, "window": {"roi_size": "@size"}}
        >>> ConfigParser({**content, "asks": "$bundle.written('window')"}).get_parsed_content("asks")
        {'window': {'roi_size': '@size'}}
    """
    parser = asking_config()
    absent = [name for name in names if parser is None or name not in parser]
    if parser is None or absent:
        raise BundleError(f"written({', '.join(map(repr, absent))}): no config that asks has it; correct the config")
    return {name: parser[name] for name in names}

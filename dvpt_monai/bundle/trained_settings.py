"""Settings that an evaluation or inference must share with the training before it."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from dvpt_monai.bundle.callers import callers
from dvpt_monai.errors import AdapterError, BundleError
from dvpt_monai.tuning import METHODS, Method, read_header
from dvpt_monai.tuning.adapter import adapter_beside

__all__ = ["check_trained"]

logger = logging.getLogger(__name__)


def check_trained(checkpoint: str, adapter: str | None = None) -> None:
    """Compare the config that asks with what the training wrote into the adapter's header; for bundles' configs.

    Another method, or another argument of it, is an error, also where its tensors would fit. Any other setting that
    differs is warned of, since a finer grid or another threshold may be wanted.

    Args:
        checkpoint: the checkpoint, with its ``adapter.safetensors`` beside it; without one nothing is compared.
        adapter: an adapter, in place of the checkpoint.

    Raises:
        BundleError: says which ``--method`` the training had.
    """
    path = Path(adapter) if adapter else adapter_beside(checkpoint)
    asking = (frame.f_locals.get("self") for frame in callers())
    parser = next((one for one in asking if isinstance(one, ConfigParser)), None)
    if parser is None or not path.is_file():
        return
    try:
        header = read_header(path)
    except AdapterError:
        if adapter:
            raise
        return  # the checkpoint is what counts, and it says itself what is wrong with it
    if "method" in parser and not adapter:  # an adapter brings its own
        _check_method(parser.get_parsed_content("method"), header["method"], path)
    for name, trained in header["settings"].items():
        if name not in parser:
            continue
        now = parser.get_parsed_content(name)
        if _plain(now) != trained:
            logger.warning("%s was trained with --%s %s; it is now %s", path, name, _word(trained), _word(_plain(now)))


def _check_method(method: Method | str, trained: dict[str, Any], path: Path) -> None:
    now = Method.named(method) if isinstance(method, str) else method
    if _plain(now.arguments()) != trained:
        raise BundleError(f"{path} was trained with another method or other arguments; add {_option(trained)}")


def _option(trained: dict[str, Any]) -> str:
    """What the command line says for a method: its arguments but for the defaults."""
    name = trained["method"]
    fields = dataclasses.fields(METHODS[name]) if name in METHODS else ()
    usual = {field.name: _plain(field.default) for field in fields}
    given = {key: value for key, value in _plain(trained).items() if key != "method" and value != usual.get(key, ())}
    return f"--method {name}" if not given else f'--method "{ {"_target_": f"dvpt_monai.{name}", **given} }"'


def _plain(value: Any) -> Any:
    """As a header has it: tuples are lists."""
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return str(value)


def _word(value: Any) -> str:
    return f'"{value}"' if isinstance(value, (list, dict)) else str(value)

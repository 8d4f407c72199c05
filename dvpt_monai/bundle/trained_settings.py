"""Settings that an evaluation or inference must share with the training before it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvpt_monai.bundle.adapters import trained_files
from dvpt_monai.bundle.callers import asking_config
from dvpt_monai.bundle.option_values import wanted
from dvpt_monai.errors import AdapterError, BundleError, TuningError
from dvpt_monai.tuning import METHODS, Method, read_header
from dvpt_monai.tuning.adapter import adapter_beside
from dvpt_monai.tuning.spelled import spelled

__all__ = ["check_trained", "method_option", "trained", "trained_method", "trained_settings"]

logger = logging.getLogger(__name__)


def trained(name: str, path: str | os.PathLike[str], otherwise: Any) -> Any:
    """A setting as a training had it.

    Args:
        name: of the setting.
        path: an adapter, or a checkpoint with its ``adapter.safetensors`` beside it.
        otherwise: where there is no adapter, or one that does not tell.

    Raises:
        AdapterError: the adapter is damaged, or has the setting of another kind than the config.

    Example:
        >>> trained("volume", "gone/model.pt", "inflate")
        'inflate'
    """
    value = trained_settings(path).get(name, otherwise)
    needed = "" if value is None else wanted(value, otherwise)
    if needed:
        said = f"its training had {name} {_word(value)}, this bundle needs {needed}"
        raise AdapterError(f"{_adapter_of(path)}: {said}; give an adapter of this bundle, or --{name}")
    return value


def trained_method(path: str | os.PathLike[str], otherwise: str) -> Method:
    """The method of a training, with its arguments.

    Args:
        path: as :func:`trained`.
        otherwise: where there is no adapter: a method as a person types it.

    Raises:
        AdapterError: the adapter is damaged, or of a method that this version does not know.
        TuningError: ``otherwise`` is no method.

    Example:
        >>> trained_method("gone/model.pt", "LoRA(rank=2)").changed()
        {'rank': 2}
    """
    header = _header_of(path)
    if header is None:
        return spelled(otherwise)
    try:
        return Method.from_arguments(header["method"])
    except TuningError as error:
        raise AdapterError(
            f"{_adapter_of(path)}: {error}; a newer version may know what it was trained with"
        ) from error


def trained_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """All settings that a training wrote into the header of its adapter; none where there is no adapter.

    Raises:
        AdapterError: as :func:`trained`.
    """
    header = _header_of(path)
    return dict(header["settings"]) if header else {}


def _header_of(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The header of an adapter, or of the one beside a checkpoint; ``None`` where there is none."""
    adapter = _adapter_of(path)
    return read_header(adapter) if adapter.is_file() else None


def _adapter_of(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else adapter_beside(path)


def check_trained(
    checkpoint: str,
    adapter: str | None = None,
    method: Method | str | None = None,
    settings: Mapping[str, Any] | None = None,
    adapters: Sequence[str] | str | None = None,
) -> None:
    """Compare what a config is about to do with what the training wrote into the adapter's header.

    Another method, or another argument of it, is an error, also where its tensors would fit. Any other setting that
    differs is warned of, since a finer grid or another threshold may be wanted.

    Args:
        checkpoint: the checkpoint, with its ``adapter.safetensors`` beside it; without one nothing is compared.
        adapter: an adapter, in place of the checkpoint; it brings its own method.
        method: what the network is tuned with now.
        settings: of the network and its input now, by the names that the training gave them. Without both this and
            ``method``, as configs of version 0.1 call it, they are those of the config that asks.
        adapters: several, in the place of one; :func:`trained_files` sees to it that they are alike.

    Raises:
        BundleError: says which ``--method`` the training had.

    Example:
        >>> check_trained("gone/model.pt", method="LoRA", settings={"image_size": 224})  # no adapter, nothing to say
    """
    if adapters is not None:
        adapter = trained_files(checkpoint, adapter, adapters)[0]
    path = Path(adapter) if adapter else adapter_beside(checkpoint)
    if not path.is_file():
        if Path(checkpoint).is_file() and not adapter:
            told = "is not there to tell how this was trained: method and images are those of the config, or of options"
            logger.warning("%s: %s %s", checkpoint, path.name, told)
        return
    try:
        header = read_header(path)
    except AdapterError:
        if adapter:
            raise
        return  # the checkpoint is what counts, and it says itself what is wrong with it
    trained = header["settings"]
    if method is None and settings is None:
        method, settings = _of_the_config_that_asks(trained)
    if method is not None and not adapter:
        _check_method(method, header["method"], path)
    for name, value in (settings or {}).items():
        now = _plain(value)
        if name in trained and now != trained[name]:
            logger.warning("%s was trained with --%s %s; it is now %s", path, name, _word(trained[name]), _word(now))


def _of_the_config_that_asks(trained: Mapping[str, Any]) -> tuple[Method | str | None, dict[str, Any]]:
    """What configs of version 0.1 do not pass, from the parser that is resolving their call. To go with 0.3."""
    parser = asking_config()
    if parser is None:
        return None, {}
    now = {name: parser.get_parsed_content(name) for name in ("method", *trained) if name in parser}
    return now.pop("method", None), now


def _check_method(method: Method | str, trained: dict[str, Any], path: Path) -> None:
    now = spelled(method) if isinstance(method, str) else method
    if _plain(now.arguments()) != trained:
        raise BundleError(f"{path} was trained with another method or other arguments; add {method_option(trained)}")


def method_option(trained: dict[str, Any]) -> str:
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

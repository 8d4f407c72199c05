"""The folder of the bundle whose config is being read."""

from __future__ import annotations

from pathlib import Path

from monai.bundle import ConfigWorkflow
from monai.utils import ensure_tuple

from dvpt_monai.bundle.callers import callers
from dvpt_monai.errors import BundleError

__all__ = ["root"]

DEPLOY = "monai.deploy.operators.monai_bundle_inference_operator"


def root() -> str:
    """The bundle's own folder, for ``"bundle_root": "$bundle.root()"``.

    MONAI tells a config neither its file's name nor its folder, so that a ``bundle_root`` of ``"."`` works only from
    inside the bundle. Whoever resolves a config knows the file, though: a ``ConfigWorkflow`` (``run``, ``load``,
    federated clients), the function of ``monai.bundle`` that verifies or exports, or MONAI Deploy's operator, which has
    the bundle or its ``models/model.ts`` as ``bundle_path``. The call stack leads there.

    Raises:
        BundleError: a bare ``ConfigParser`` resolves the config and knows no file; it has to set ``bundle_root``.

    Example:
        >>> root()
        Traceback (most recent call last):
        dvpt_monai.errors.BundleError: bundle_root: nothing in the call stack knows the config's file; ...
    """
    for frame in callers():
        asking = frame.f_locals.get("self")
        if isinstance(asking, ConfigWorkflow):
            return _bundle_of(Path(asking.config_root_path) / "config")
        module = frame.f_globals.get("__name__")
        deployed = getattr(asking, "bundle_path", None) if module == DEPLOY else None
        if deployed:
            return _bundle_of(Path(deployed))
        if module == "monai.bundle.scripts":
            files = frame.f_locals.get("config_file_") or frame.f_locals.get("config_file")
            if files:
                return _bundle_of(Path(_first(files)))
    raise BundleError(
        "bundle_root: nothing in the call stack knows the config's file; a ConfigParser of your own has to set it "
        'before anything is resolved: parser["bundle_root"] = "path/of/the/bundle"'
    )


def _first(files: object) -> str:
    # MONAI takes one path, a list of paths, or several in one string with commas.
    first = str(ensure_tuple(files)[0])
    return first if Path(first).is_file() else first.split(",")[0]


def _bundle_of(path: Path) -> str:
    # the bundle itself, or a file of its configs or models
    if path.is_dir():
        return str(path.resolve())
    folder = path.resolve().parent
    return str(folder.parent if folder.name in ("configs", "models") else folder)

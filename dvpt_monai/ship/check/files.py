"""Files, name, JSON and metadata of a bundle, as the Model Zoo asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, verify_metadata

from dvpt_monai.cache import cache
from dvpt_monai.errors import BundleError
from dvpt_monai.ship.check.row import Failed, Skipped
from dvpt_monai.ship.check.trial import Trial
from dvpt_monai.ship.contents import contents

__all__ = ["files", "json_files", "large_files", "metadata", "name", "schema"]

REQUIRED = ("LICENSE", "configs/metadata.json", "configs/train.json", "configs/inference.json", "docs/README.md")
LARGE = 25_000_000
"""Bytes; the Model Zoo takes no larger file but by reference."""
VALUES = {
    "schema": str,
    "version": str,
    "changelog": dict,
    "monai_version": str,
    "pytorch_version": str,
    "numpy_version": str,
    "required_packages_version": dict,
    "name": str,
    "task": str,
    "description": str,
    "authors": str,
    "copyright": str,
    "intended_use": str,
    "eval_metrics": dict,
    "references": list,
    "network_data_format": dict,
}
TENSOR = {
    "type": str,
    "format": str,
    "num_channels": int,
    "spatial_shape": list,
    "dtype": str,
    "value_range": list,
    "is_patch_data": bool,
    "channel_def": dict,
}


def files(trial: Trial) -> str:
    """Every file that a bundle must have."""
    missing = [file for file in REQUIRED if not (trial.root / file).is_file()]
    if missing:
        raise Failed(f"missing: {', '.join(missing)}", "write them; another bundle shows how they look")
    return f"{len(contents(trial.root))}"


def name(trial: Trial) -> str:
    """<organ or data>_<modality>_<task>, in lower case; what does not end in its task is only told so."""
    own = trial.source.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", own):
        raise Failed(f"{own!r} is not in lower case with underscores", "rename the folder")
    named = own.endswith(("classification", "segmentation"))
    return "" if named else "MONAI Label reads the task from a name that ends in classification or segmentation"


def json_files(trial: Trial) -> str:
    """Every JSON file: read, without a key twice, indented by 4 spaces."""
    problems = []
    paths = sorted(trial.root.rglob("*.json"))
    for path in paths:
        label = path.relative_to(trial.root).as_posix()
        text = path.read_text(encoding="utf-8")
        try:
            content = json.loads(text, object_pairs_hook=_once)
        except ValueError as error:
            problems.append(f"{label}: {error}")
            continue
        if label.startswith("configs/") and not isinstance(content, dict):
            problems.append(f"{label} holds no object")
        odd = [at for at, line in enumerate(text.splitlines(), 1) if len(re.match(r"\s*", line)[0]) % 4]  # type: ignore[index]
        if odd or "\t" in text:
            problems.append(f"{label}, line {odd[0] if odd else 1}: not indented by 4 spaces")
    if problems:
        raise Failed("; ".join(problems), "correct the files; an editor with JSON support shows the place")
    return f"{len(paths)} files"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise BundleError(f"{twice[0]!r} stands twice in one object")
    return dict(pairs)


def metadata(trial: Trial) -> str:
    """Values of the right kind, a version with its change, and tensors that are described completely."""
    values = trial.metadata
    problems = list(_kinds(values, VALUES, ""))
    if not problems:
        version = values["version"]
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            problems.append(f"version {version!r} is not like 0.1.0")
        if version not in values["changelog"]:
            problems.append(f"changelog does not list version {version}")
        if "optional_packages_version" in values:
            problems.append("optional_packages_version stands beside required_packages_version")
        used = any("dvpt_monai" in path.read_text(encoding="utf-8") for path in trial.config("").parent.glob("*.json"))
        if used and "dvpt-monai" not in values["required_packages_version"]:
            problems.append("required_packages_version lacks dvpt-monai, which the configs use")
        for side, tensor in (("inputs", "image"), ("outputs", "pred")):
            described = values["network_data_format"].get(side)
            if not isinstance(described, dict) or not isinstance(described.get(tensor), dict):
                problems.append(f"network_data_format#{side}#{tensor} is missing")
                continue
            problems += _tensor(described[tensor], f"network_data_format#{side}#{tensor}#")
    if problems:
        raise Failed("; ".join(problems), "correct configs/metadata.json")
    facts = [f"version {values['version']}"]
    pages = [trial.config("metadata"), *sorted((trial.root / "docs").glob("*.*"))]
    begun = [
        page
        for page in pages
        if page.suffix in (".json", ".md", ".txt") and "TO DO" in page.read_text("utf-8", "replace")
    ]
    if begun:
        facts.append(f"TO DO is left in {', '.join(str(page.relative_to(trial.root)) for page in begun)}")
    return "; ".join(facts)


def _kinds(values: dict[str, Any], expected: Mapping[str, type], prefix: str) -> Iterable[str]:
    for key, kind in expected.items():
        if key not in values:
            yield f"{prefix}{key} is missing"
        elif not isinstance(values[key], kind) or (kind is int and isinstance(values[key], bool)):
            yield f"{prefix}{key} is no {kind.__name__}"


def _tensor(values: dict[str, Any], prefix: str) -> list[str]:
    problems = list(_kinds(values, TENSOR, prefix))
    if not problems and set(values["channel_def"]) != {str(at) for at in range(values["num_channels"])}:
        problems.append(f"{prefix}channel_def does not name channels 0 to {values['num_channels'] - 1}")
    return problems


def schema(trial: Trial) -> str:
    """The metadata against the schema that they name, with MONAI's ``verify_metadata``.

    The schema comes with no licence that allows to ship a copy, so it is read where a file is given, or fetched once on
    demand.
    """
    url = trial.metadata["schema"]
    kept = cache() / "schemas" / Path(url).name
    if trial.schema not in (None, "fetch"):
        path = Path(str(trial.schema))
        if not path.is_file():
            raise Failed(f"no schema at {path}", "give its path with --schema, or fetch it with --schema fetch")
    elif kept.is_file() or trial.schema == "fetch":
        path = kept
    else:
        raise Skipped("no schema here", f"--schema FILE, a copy of {url}; --schema fetch downloads it once")
    if find_spec("jsonschema") is None:
        raise Skipped("jsonschema is not installed", "pip install jsonschema")
    try:
        verify_metadata(meta_file=str(trial.config("metadata")), filepath=str(path))
    except ValueError as error:
        raise Failed(" ".join(str(error).split()), "correct configs/metadata.json") from error
    except OSError as error:
        raise Failed(f"{url} could not be fetched ({error})", "download it elsewhere and give --schema FILE") from error
    return path.name


def large_files(trial: Trial) -> str:
    """Files over 25 MB, which the Model Zoo takes by reference alone."""
    listed = _listed(trial.root)
    heavy = [path for path in contents(trial.root) if (trial.root / path).stat().st_size > LARGE]
    heavy = [path for path in heavy if path not in listed]
    rest = [path for path in heavy if not path.startswith("models/")]
    if rest:
        raise Failed(f"over 25 MB: {', '.join(rest)}", "list them in large_files.yml (path, url, hash_val, hash_type)")
    weights = f"{', '.join(heavy)}: by large_files.yml, if it goes to the Model Zoo" if heavy else ""
    return "; ".join([f"{len(listed)} by reference"] * bool(listed) + [weights] * bool(weights))


def _listed(root: Path) -> list[str]:
    """The paths in large_files.yml (or .yaml, .json), whose entries must be complete."""
    listings = [root / f"large_files.{suffix}" for suffix in ("yml", "yaml", "json")]
    listings = [path for path in listings if path.is_file()]
    if not listings:
        return []
    entries = ConfigParser.load_config_file(str(listings[0])).get("large_files") or []
    for entry in entries:
        missing = [key for key in ("path", "url", "hash_val", "hash_type") if not entry.get(key)]
        if missing or entry["hash_type"] != "sha256":
            wrong = f"lacks {missing[0]}" if missing else "has another hash_type than sha256"
            raise Failed(
                f"{listings[0].name}: an entry {wrong}", "give path, url, hash_val and hash_type: sha256 for each"
            )
    return [str(entry["path"]) for entry in entries]

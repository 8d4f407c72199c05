"""A config read as text: every name that it would build, every expression that it would evaluate."""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from dvpt_monai.ship.audit.allowed import TARGETS, matches
from dvpt_monai.ship.audit.expressions import GIVEN, imports_of, objections
from dvpt_monai.ship.audit.finding import Finding

__all__ = ["audit_configs", "audit_logging"]

HANDLERS = frozenset({"StreamHandler", "FileHandler", "NullHandler", "logging.StreamHandler", "logging.NullHandler"})
ARGUMENTS = frozenset({"()", "", "(sys.stdout,)", "(sys.stderr,)"})


def audit_configs(contents: Mapping[str, bytes], allowed: Iterable[str] = ()) -> list[Finding]:
    """Judge configs of JSON or YAML that may be run together; nothing of them is evaluated, imported or built.

    Args:
        contents: their bytes by their names, whose suffix tells the kind.
        allowed: names that a site allows beside ours.

    Example:
        >>> audit_configs({"train.json": b'{"net": {"_target_": "os.system", "command": "id"}}'})[0].what
        'builds os.system'
    """
    findings: list[Finding] = []
    values: list[tuple[str, str, Any]] = []
    for file, content in contents.items():
        try:
            text = content.decode("utf-8")
            json_file = file.lower().endswith(".json")
            config = json.loads(text, object_pairs_hook=_once) if json_file else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            findings.append(Finding(file, "", f"cannot be read ({type(error).__name__}: {reason})", refused=True))
        else:
            values += [(file, place, value) for place, value in _strings(config)]
    modules = dict(GIVEN)
    for file, place, value in values:
        # a config on top of another uses the imports of that
        for name, module in imports_of(value).items():
            if modules.setdefault(name, module) != module:
                what = f"gives {name} two meanings, {modules[name]} and {module}"
                findings.append(Finding(file, place, what, refused=True))
    for file, place, value in values:
        findings += _audit_value(file, place, value, modules, allowed)
    return findings


def _audit_value(
    file: str, place: str, value: Any, modules: dict[str, str], allowed: Iterable[str]
) -> Iterator[Finding]:
    key = place.split("#")[-1].lstrip("+")
    if key == "_target_":
        known = isinstance(value, str) and matches(value, (*TARGETS, *allowed))
        yield Finding(file, place, f"builds {value}", refused=not known)
    elif key == "allow_pickle" and value is not False:
        yield Finding(file, place, "unpickles what it reads, which runs code", refused=True)
    elif key == "_mode_" and value not in ("default", "callable"):
        yield Finding(file, place, f"has the mode {value}", refused=True)
    elif isinstance(value, str) and value.startswith("$"):
        problems = objections(value[1:], modules, allowed)
        for problem in problems:
            yield Finding(file, place, f"{problem}: {value}", refused=True)
        if not problems:
            yield Finding(file, place, f"evaluates {value}", refused=False)
    elif isinstance(value, str) and value.startswith("%"):
        # MONAI reads another file where the part before the id ends like a config's name
        other = any(suffix in value.lower() for suffix in (".json", ".yaml", ".yml"))
        yield Finding(file, place, f"takes {value}", refused=other)


def audit_logging(file: str, content: bytes) -> list[Finding]:
    """Judge a ``logging.conf``, whose handlers' classes and arguments Python evaluates."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8"))
    except (configparser.Error, ValueError) as error:
        return [Finding(file, "", f"cannot be read ({str(error).splitlines()[0]})", refused=True)]
    findings = []
    for section in parser.sections():
        for option, value in parser.items(section):
            if option == "class":
                known = section.startswith("handler_") and value in HANDLERS
                findings.append(Finding(file, section, f"builds {value}", refused=not known))
            elif (option == "args" and value.replace(" ", "") not in ARGUMENTS) or option == "kwargs":
                findings.append(Finding(file, section, f"evaluates {value}", refused=True))
    return findings


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return values


def _strings(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is no container, and whatever a special key holds, with its id as MONAI writes it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items and not isinstance(value, (dict, list)):
        yield place, value
    for key, inside in items:
        below = f"{place}#{key}".replace("::", "#").lstrip("#")
        if below.split("#")[-1].lstrip("+") in ("_target_", "_mode_") and isinstance(inside, (dict, list)):
            yield below, inside
        yield from _strings(inside, below)

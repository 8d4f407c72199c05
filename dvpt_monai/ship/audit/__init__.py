"""What a bundle would run, before anything of it runs: ``python -m dvpt_monai audit bundles/<name>``.

A config's ``_target_`` builds any class or calls any function, and its ``$`` evaluates any expression. This room reads
them as text. It knows what bundles need, and refuses whatever else they name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dvpt_monai.errors import BundleError
from dvpt_monai.ship.audit.allowed import read_allowed
from dvpt_monai.ship.audit.configs import audit_configs, audit_logging
from dvpt_monai.ship.audit.finding import Finding
from dvpt_monai.ship.audit.members import Member, members, unsafe
from dvpt_monai.ship.audit.weights import audit_weights
from dvpt_monai.ship.contents import contents

__all__ = ["Audit", "Finding", "audit", "check_audited", "check_configs", "read_allowed"]

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".npy", ".npz")
CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".bat", ".ps1", ".exe", ".ipynb", ".jar", ".whl", ".egg")
CONFIGS = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Audit:
    """What was found in a bundle.

    Args:
        source: the folder, archive or config.
        files: how many were read.
        findings: everything that would be built or evaluated.
    """

    source: str
    files: int
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What no list has."""
        return tuple(finding for finding in self.findings if finding.refused)

    def __str__(self) -> str:
        known = len(self.findings) - len(self.refused)
        verdict = f"{len(self.refused)} are refused" if self.refused else "nothing is refused"
        lines = [f"refused: {finding}" for finding in self.refused]
        lines.append(f"{self.source}: {self.files} files; {known} things to build or evaluate are known, {verdict}")
        return "\n".join(lines)


def audit(source: str | os.PathLike[str], allowed: Iterable[str] = ()) -> Audit:
    """Judge a bundle, an archive of one, or a config, as text; nothing of it is imported, evaluated or unpacked.

    Args:
        source: the folder, the ``.zip`` or the file.
        allowed: names that a site allows beside ours, see :func:`read_allowed`.

    Raises:
        BundleError: there is no such thing, or the archive is damaged.
    """
    allowed = tuple(allowed)
    found = list(members(source))
    dangers = unsafe(found)
    if dangers and Path(source).is_file():
        return Audit(str(source), len(found), tuple(dangers))  # what grows is not read either
    findings: list[Finding] = []
    together: dict[PurePosixPath, dict[str, bytes]] = {}
    for member in found:
        if member.link:
            continue
        folder = PurePosixPath(member.name).parent
        if member.name.lower().endswith(CONFIGS) and (folder.name == "configs" or not folder.parts):
            together.setdefault(folder, {})[member.name] = member.read(-1)
        else:
            findings += _audit_member(member)
    for configs in together.values():
        findings += audit_configs(configs, allowed)
    return Audit(str(source), len(found), (*dangers, *findings))


def check_audited(source: str | os.PathLike[str], allowed: Iterable[str] = (), trust: bool = False) -> None:
    """Refuse to go on with a bundle that would run what no list has.

    Args:
        source: as in :func:`audit`.
        allowed: likewise.
        trust: whether the user answers for the bundle.

    Raises:
        BundleError: names the first of what is refused, and the ways on.
    """
    if trust:
        return
    own = set(contents(source)) if (Path(source) / "configs").is_dir() else None  # not what runs and people left there
    refused = [finding for finding in audit(source, allowed).refused if own is None or finding.file in own]
    if refused:
        more = f", and {len(refused) - 1} more (python -m dvpt_monai audit {source})" if refused[1:] else ""
        raise BundleError(
            f"{Path(source)}: {refused[0]}{more}: no list has that, and nothing of the bundle was run. Allow the name "
            "with --allow FILE, or answer for the bundle with --trust"
        )


def check_configs(source: Path) -> None:
    """Refuse what has no config: nothing would be judged, and "nothing is refused" would be no comfort.

    Raises:
        BundleError: says what to give.
    """
    names = [PurePosixPath(member.name) for member in members(source) if member.name.lower().endswith(CONFIGS)]
    deep = 2 if source.is_dir() else 3  # an archive holds the bundle's folder
    if any(len(name.parts) == 1 or (name.parent.name == "configs" and len(name.parts) <= deep) for name in names):
        return
    inside = sorted(source.glob("*/configs/*.json")) if source.is_dir() else []
    remedy = (
        f"give one bundle, such as {inside[0].parent.parent}" if inside else "give a bundle's folder, archive or config"
    )
    raise BundleError(f"{source}: no bundle, it has no config ({', '.join(CONFIGS)}) in a folder configs; {remedy}")


def _audit_member(member: Member) -> list[Finding]:
    suffix = PurePosixPath(member.name).suffix.lower()
    if suffix in CODE:
        return [Finding(member.name, "", "is code", refused=True)]
    if suffix in (".npy", ".npz"):
        pickled = b"numpy.core" in member.read(-1) or suffix == ".npz"
        return [Finding(member.name, "", "may hold a pickle", refused=True)] if pickled else []
    if suffix in PICKLES:
        return audit_weights(member.name, member.read(-1))
    if suffix == ".conf":
        return audit_logging(member.name, member.read(-1))
    return []

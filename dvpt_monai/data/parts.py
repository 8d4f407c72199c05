"""The parts of a run, written beside its network and read back when that is evaluated or trained on.

A record names each case, relative to the data set's folder, with a fingerprint of its image. A case of an evaluation
is one of the record's where both are the same: data of another hospital may bear the same names.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.name import image_of, name_or_path
from dvpt_monai.errors import DataError
from dvpt_monai.whole_file import whole_file

__all__ = ["PARTS_FILE", "Parts", "fingerprint", "read_parts", "recorded_test", "write_parts"]

logger = logging.getLogger(__name__)
PARTS_FILE = "parts.json"
_BLOCKS, _BLOCK = 16, 4096


@dataclass(frozen=True)
class Parts:
    """Which cases trained, validated and were set aside.

    Args:
        training: the fingerprint of each training case, by its name.
        validation: likewise of those that chose the best epoch.
        test: likewise; empty where the data's owners say what tests.
        seed: what the parts were drawn with.
    """

    training: dict[str, str]
    validation: dict[str, str]
    test: dict[str, str]
    seed: int | None = None

    def take(self, cases: list[Case], part: str, root: PathLike | None = None) -> list[Case]:
        """The cases of a list that are in a part of the record, in the list's order.

        Args:
            cases: the cases.
            part: ``"training"``, ``"validation"`` or ``"test"``.
            root: folder of the data set, for cases without a name.
        """
        recorded: dict[str, str] = getattr(self, part)
        return [case for case in cases if _identity(case, root) in recorded.items()]


def write_parts(
    models_dir: PathLike,
    training: list[Case],
    validation: list[Case],
    test: Sequence[Case] = (),
    seed: int | None = None,
    root: PathLike | None = None,
) -> Path:
    """Write the parts of a run to ``parts.json`` in the folder of its network, whole or not at all.

    Args:
        models_dir: the folder.
        training: the cases that train.
        validation: the cases that choose the best epoch.
        test: the cases that were set aside, where the run did so itself.
        seed: what they were drawn with.
        root: folder of the data set, for cases without a name.

    Returns:
        The file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in "ab":
        ...         _ = Path(home, f"{name}.png").write_text(name)
        ...     cases = [{"image": f"{home}/{name}.png"} for name in "ab"]
        ...     _ = write_parts(f"{home}/models", cases[:1], cases[1:], root=home)
        ...     sorted(read_parts(f"{home}/models/model.pt").training)
        ['a.png']
    """
    parts: dict[str, Any] = {"seed": seed}
    for part, cases in (("training", training), ("validation", validation), ("test", test)):
        parts[part] = dict(_identity(case, root) for case in cases)
    target = Path(models_dir) / PARTS_FILE
    with whole_file(target) as file:
        file.write_text(json.dumps({"sha256": _digest(parts), **parts}, indent=1) + "\n", encoding="utf-8")
    return target


def read_parts(beside: PathLike) -> Parts | None:
    """The parts of a run; None where none were recorded, as for a network that comes with a bundle.

    Args:
        beside: the run's checkpoint or adapter, or their folder.

    Raises:
        DataError: the record is damaged or was changed.
    """
    path = Path(beside)
    path = (path if path.is_dir() else path.parent) / PARTS_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("sha256")
        parts = Parts(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it if what trained is of no importance") from error
    if digest != _digest(content):
        raise DataError(
            f"{path}: changed since it was written, so it no longer tells what trained; restore or delete it"
        )
    return parts


def recorded_test(
    checkpoint: PathLike | Sequence[PathLike], cases: list[Case], root: PathLike | None = None
) -> list[Case]:
    """The cases to test a trained network on: none that trained it, and as set aside where its training did that.

    Cases that have come to the data since then are left out, with a warning. Where none of the test cases on record are
    among the cases, as in data of another hospital, all are taken.

    Args:
        checkpoint: the network's checkpoint or adapter; without ``parts.json`` beside it all cases are taken. Of
            several, the cases that each of them may be tested on.
        cases: the cases that the config would test.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: cases trained the network, which are named; or the record is damaged. A case that chose the best
            epoch is warned of, and one that is the same image as a training case of another name.
    """
    if not isinstance(checkpoint, (str, os.PathLike)):
        for each in checkpoint:
            cases = recorded_test(each, cases, root)
        return cases
    parts = read_parts(checkpoint)
    if parts is None:
        return cases
    now = [(*_identity(case, root), case) for case in cases]
    trained = [name for name, fingerprint, _ in now if parts.training.get(name) == fingerprint]
    if trained:
        raise DataError(
            f"{len(trained)} of {len(cases)} test cases trained {checkpoint}: {_few(trained)}; their scores would tell "
            "nothing. Test on others, or train without them"
        )
    chose = [name for name, fingerprint, _ in now if parts.validation.get(name) == fingerprint]
    if chose:
        logger.warning("%d of %d test cases chose the best epoch: %s", len(chose), len(cases), _few(chose))
    owners = {fingerprint: name for name, fingerprint in parts.training.items() if fingerprint}
    twins = [f"{name} ({owners[fingerprint]})" for name, fingerprint, _ in now if fingerprint in owners]
    if twins:
        logger.warning("%d test images are training images of other names: %s", len(twins), _few(twins))
    known = [case for name, fingerprint, case in now if parts.test.get(name) == fingerprint]
    if not known:
        return cases
    new = [name for name, fingerprint, _ in now if parts.test.get(name) != fingerprint]
    if new:
        logger.warning(
            "%d of %d test cases are new since %s was trained, and are left out: %s",
            *(len(new), len(cases), checkpoint, _few(new)),
        )
    gone = sorted(set(parts.test) - {name for name, _, _ in now})
    if gone:
        logger.warning("%d of %d test cases on record are gone: %s", len(gone), len(parts.test), _few(gone))
    return known


def _few(names: list[str]) -> str:
    return ", ".join([*names[:5], f"and {len(names) - 5} more"] if len(names) > 5 else names)


def _identity(case: Case, root: PathLike | None) -> tuple[str, str]:
    """The name of a case, and the fingerprint of its image."""
    return name_or_path(case, root), fingerprint(image_of(case))


def fingerprint(path: PathLike) -> str:
    """Of a file: of its size and of blocks spread over it; empty where there is none."""
    if not os.path.isfile(path):
        return ""
    size = os.path.getsize(path)
    digest = sha256(str(size).encode())
    with open(path, "rb") as file:
        for block in range(_BLOCKS):
            file.seek(max(0, size - _BLOCK) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()[:16]


def _digest(parts: dict[str, Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

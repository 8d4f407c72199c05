"""What became of each case, line by line as it happens, so that a prediction that was killed goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dvpt_monai.sha256 import sha256_of

__all__ = ["Ledger", "Record"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of a case.

    Args:
        image: its file, or the folder of its series.
        status: ``"done"`` or ``"failed"``.
        reason: why it failed.
        input: sha256 of the image's files.
        outputs: sha256 of each file that was written.
        row: its row of the table, where the answer is no file.
        network: what predicted it: weights, settings and versions, as one hash.
        seconds: that it took.
        peak_memory: GiB that the process took at most while it was predicted.
    """

    image: str
    status: str
    reason: str = ""
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    row: Mapping[str, Any] | None = None
    network: str = ""
    seconds: float = 0.0
    peak_memory: float | None = None


class Ledger:
    """The file ``cases.jsonl``: one JSON object a line, of which the last of each image counts.

    Args:
        path: the file; missing folders are made at the first record.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     ledger = Ledger(Path(home, "cases.jsonl"))
        ...     ledger.append(Record(image="a.nii", status="failed", reason="a.nii: damaged"))
        ...     ledger.append(Record(image="a.nii", status="done"))
        ...     print(Ledger(ledger.path).records["a.nii"].status)
        done
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.is_file() else ""
        self.records = {record.image: record for record in map(_record, text.splitlines()) if record is not None}
        self._torn = bool(text) and not text.endswith("\n")

    def append(self, record: Record) -> None:
        """Write a record; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if self._torn else "") + json.dumps(asdict(record), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._torn = False
        self.records[record.image] = record

    def holds(self, image: str, digest: str, network: str) -> bool:
        """Whether this network has predicted these bytes, and what it wrote is there as it was."""
        record = self.records.get(image)
        if record is None or record.status != "done" or not digest:
            return False
        same = record.input == digest and record.network == network
        return same and all(os.path.isfile(path) and sha256_of(path) == sha for path, sha in record.outputs.items())

    def rows(self, images: Sequence[str]) -> list[Mapping[str, Any]]:
        """The rows of the table, of the images that are done."""
        records = [self.records[image] for image in images if image in self.records]
        return [record.row for record in records if record.status == "done" and record.row is not None]


def _record(line: str) -> Record | None:
    """The record of a line; none of one that a kill has torn."""
    try:
        return Record(**json.loads(line))
    except (TypeError, ValueError):
        return None

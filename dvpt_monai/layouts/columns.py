"""The columns of a table, by what the user says, by their names, and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Columns", "named"]

NAMES = {
    "image": "image img filename file filepath path imagepath imagefile imagename imageid imgid scan volume photo "
    "id idcode",
    "label": "label labels class classname target diagnosis dx grade category y level severity outcome mask maskpath "
    "segmentation seg labelpath",
    "split": "split set part partition subset dataset fold phase",
    "group": "patient patientid patientnumber pid subject subjectid participant participantid group case caseid "
    "lesionid",
}
"""What people call these columns, in lower case and without what is no letter; the best first."""


@dataclass(frozen=True)
class Columns:
    """Names of columns that the user gave; ``None`` leaves one to be recognised.

    Args:
        image: of the images.
        label: of the classes or masks.
        split: of the parts.
        group: of the patients, or of whatever must stay together.
    """

    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None

    @property
    def given(self) -> bool:
        """Whether any was."""
        return any((self.image, self.label, self.split, self.group))


def named(kind: str, columns: Sequence[str]) -> list[str]:
    """The columns whose names are usual for a kind, the best first.

    Example:
        >>> named("group", ["image", "Patient_ID", "group"])
        ['Patient_ID', 'group']
    """
    usual = NAMES[kind].split()
    plain = {column: re.sub(r"[^a-z]", "", column.lower()) for column in columns}
    return sorted((column for column in columns if plain[column] in usual), key=lambda c: usual.index(plain[c]))

"""What is verified: cases, and what is known of all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the processes that read cases need neither PyTorch nor MONAI, which listing them imports
    from dvpt_monai.layouts.listing import Lost

__all__ = ["Case", "DataSet"]


@dataclass(frozen=True)
class Case:
    """An image, what is said of it, and the files of its masks.

    Args:
        image: its file.
        masks: of all its structures, or one for each.
        label: the name of its class; empty with masks.
        part: ``train``, ``validation`` or ``test``; empty if nothing tells.
        group: what must stay together, such as the patient; empty if nothing tells.
        channels: further files of the image, which become its further channels.
    """

    image: Path
    masks: tuple[Path, ...] = ()
    label: str = ""
    part: str = ""
    group: str = ""
    channels: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its image and its masks."""
        return (self.image, *self.channels, *self.masks)


@dataclass(frozen=True)
class DataSet:
    """What is to be verified.

    Args:
        layout: in words.
        root: the folder that names of files count from.
        cases: in the order in which they are listed.
        names: of the values in masks; empty where nothing declares them.
        lost: cases that are listed and not there.
        refusal: why the cases could not be listed, so that the images stand alone; empty if they could.
        whole: whether the cases should be all that lies in their folders.
        segments: the structures, where masks name them; ``names`` numbers these.
    """

    layout: str
    root: Path
    cases: tuple[Case, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    lost: tuple[Lost, ...] = ()
    refusal: str = ""
    whole: bool = False
    segments: tuple[str, ...] = ()

    def below(self, path: Path) -> str:
        """A path relative to the folder of the data, or as it is where it lies elsewhere."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

"""Files that are not there, left out, hidden, or taken for one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dvpt_monai.formats import format_of
from dvpt_monai.layouts.files import FOREIGN, is_image, stem_of
from dvpt_monai.verify.case import DataSet
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.opened import MISSING

__all__ = ["folder_faults", "listing_faults"]

LAYOUT = Kind(
    "layout", "files", "The cases cannot be listed",
    why="images were checked one by one, without labels and parts",
    remedy="mend what the line above says, and verify again",
)  # fmt: skip
UNPAIRED = Kind(
    "unpaired", "files", "An image without a mask, or a mask without an image",
    why="the case cannot be learned from",
    remedy="add its counterpart under the same name (all zero where nothing is to be segmented), or move it away",
)  # fmt: skip
HIDDEN = Kind(
    "hidden", "files", "A hidden file with the name of an image",
    why="macOS leaves them when it unpacks; some tools take them for images",
    remedy="delete it",
    fatal=False,
)  # fmt: skip
LETTERS = Kind(
    "letters", "files", "Names that differ only in capitals",
    why="on Windows and macOS one overwrites the other when the data are copied",
    remedy="rename one, in lists of cases too",
    fatal=False,
)  # fmt: skip
TWINS = Kind(
    "twins", "files", "One name with two endings",
    why="which of them is the image is a guess, and predictions of both get one name",
    remedy="keep one, or rename one",
    fatal=False,
)  # fmt: skip
LEFT_OUT = Kind(
    "left-out", "files", "Left out of the cases",
    why="it lies among the data but takes no part",
    remedy="list it or convert it if it belongs to the data, else move it away",
    fatal=False,
)  # fmt: skip


def listing_faults(data: DataSet) -> Iterator[Finding]:
    """What was noticed while the cases were listed."""
    if data.refusal:
        yield LAYOUT.at(data.root, data.refusal.removeprefix(f"{data.root}: "))
    for lost in data.lost:
        yield (UNPAIRED if lost.file.exists() else MISSING).at(lost.file, lost.reason)


def folder_faults(data: DataSet) -> Iterator[Finding]:
    """What lies in the folders of the cases beside them."""
    listed = {path for case in data.cases for path in case.files}
    lost = {path for case in data.lost for path in (case.file, *case.others)}
    for folder in sorted({path.parent for path in listed}):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        yield from (HIDDEN.at(path, f"{path.stat().st_size:,} bytes") for path in files if _hidden(path))
        seen = [path for path in files if not path.name.startswith(".")]
        yield from _alike(seen)
        slices = folder in listed
        for path in (path for path in seen if data.whole and path not in listed | lost):
            if slices and format_of(path) == "dicom":
                continue
            foreign = next((remedy for suffix, remedy in FOREIGN.items() if path.name.lower().endswith(suffix)), "")
            if foreign:
                yield LEFT_OUT.at(path, foreign)
            elif is_image(path):
                yield LEFT_OUT.at(path, "no case lists it")


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") and is_image(path.with_name(path.name.lstrip("._") or "x"))


def _alike(files: list[Path]) -> Iterator[Finding]:
    """Files of one folder whose names are as good as one."""
    names: dict[str, list[Path]] = defaultdict(list)
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        names[path.name.lower()].append(path)
        if is_image(path) and format_of(path) not in ("segmentation", "dicom-seg"):  # those are named after images
            stems[stem_of(path)].append(path)
    for first, *others in names.values():
        yield from (LETTERS.at(path, f"beside {first.name}", first) for path in others)
    for first, *others in stems.values():
        yield from (TWINS.at(path, f"beside {first.name}", first) for path in others)

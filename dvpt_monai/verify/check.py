"""A data set read once: the cases one by one, then all of them beside each other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dvpt_monai.layouts import Columns
from dvpt_monai.verify.case import DataSet
from dvpt_monai.verify.cases import data_set
from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.files import folder_faults, listing_faults
from dvpt_monai.verify.finding import SUBJECTS, Finding
from dvpt_monai.verify.intensities import unlike_faults
from dvpt_monai.verify.labels import balance_faults, undeclared_faults
from dvpt_monai.verify.memory import size_faults
from dvpt_monai.verify.parts import copy_faults, group_faults
from dvpt_monai.verify.report import Report
from dvpt_monai.verify.walk import walk, workers_for

__all__ = ["verify", "verify_cases"]


def verify(
    data: str | os.PathLike[str],
    *,
    budget: float | None = None,
    num_classes: int | None = None,
    columns: Columns | None = None,
    group_pattern: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Report:
    r"""Read every file of a data set once, to its end, and report what is wrong with it.

    Args:
        data: a folder in any layout that ``init`` knows, or of images alone; a table, a ``dataset.json``, a list; or a
            bundle, by its folder or its ``train.json``. **A bundle's config is evaluated**, which runs the code in it,
            as ``run`` does.
        budget: GiB of memory that predicting one image may take; by default all that the machine has.
        num_classes: that the network will predict, for the memory; by default as many as the masks have values.
        columns: of a table, where their names or contents do not tell which is which.
        group_pattern: a regular expression that finds the patient in the path of an image, such as ``p\d+``.
        workers: processes that read; by default one for each core. Each holds the files of one case at a time.
        progress: whether to show a bar on a terminal.

    Raises:
        DataError: there is nothing to verify, or a process was ended from outside.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Image.linear_gradient("L").save(Path(home, "good.png"))
        ...     _ = Path(home, "bad.png").write_bytes(b"no image")
        ...     [finding] = verify(home).findings
        >>> finding.kind.code, finding.file.name, finding.kind.fatal
        ('unreadable', 'bad.png', True)
    """
    cases = data_set(Path(data), columns, group_pattern)
    return verify_cases(cases, budget=budget, num_classes=num_classes, workers=workers, progress=progress)


def verify_cases(
    cases: DataSet,
    *,
    budget: float | None = None,
    num_classes: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Report:
    """Read every file of cases that are listed already; arguments are those of `verify`."""
    started = time.perf_counter()
    count = workers_for(len(cases.cases)) if workers is None else workers
    facts = walk(cases.cases, cases.names, count, progress, cases.segments)
    findings = sorted(
        (*_of_cases(facts), *_of_all(cases, facts, budget, num_classes)),
        key=lambda finding: (not finding.kind.fatal, SUBJECTS.index(finding.kind.subject), finding.kind.code),
    )
    return Report(cases, tuple(facts), tuple(findings), time.perf_counter() - started, count)


def _of_cases(facts: Sequence[Facts]) -> Iterator[Finding]:
    for each in facts:
        yield from each.findings


def _of_all(cases: DataSet, facts: Sequence[Facts], budget: float | None, num_classes: int | None) -> Iterator[Finding]:
    yield from listing_faults(cases)
    yield from folder_faults(cases)
    yield from unlike_faults(facts)
    yield from undeclared_faults(facts, cases.names)
    yield from balance_faults(facts, cases.root, cases.names)
    yield from copy_faults(facts)
    yield from group_faults(facts)
    values = {value for each in facts for counts in each.masks.values() for value in counts} | {*cases.names}
    classes = num_classes or len(values)
    if classes:
        yield from size_faults(facts, classes, budget)

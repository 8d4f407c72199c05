"""What was found, what was assumed, and what to type next, for a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.layouts.listing import Note
from dvpt_monai.new_bundle.documents import commands
from dvpt_monai.new_bundle.proposal import Proposal

__all__ = ["account"]

WIDTH = 100
INDENT = 13
SHOWN = 3
"""Files that are named of those that are left out for one reason."""
FEW = 10
"""Test cases of which each moves the score by more than a tenth."""


def account(proposal: Proposal, out: Path) -> str:
    """The proposal in at most a screen."""
    typed = commands(proposal, out.as_posix())
    lines = [
        f"{proposal.root.name}: {_data(proposal)}",
        "",
        *_row("images", _images(proposal)),
        *_row("classes" if proposal.task == "classification" else "structures", _classes(proposal)),
        *_row("parts", _parts(proposal)),
        *_row("network", _network(proposal)),
        *_row("training", f"{proposal.epochs} epochs, batches of {proposal.batch_size}, {proposal.strategy.words}"),
        "",
    ]
    warnings = [note for note in (*proposal.notes, *proposal.survey.faults) if note.warning]
    assumed = [note for note in proposal.notes if not note.warning]
    if warnings:
        lines += ["Look at this:", *_listed(warnings), ""]
    if assumed:
        lines += ["Assumed, with what changes it:", *_listed(assumed), ""]
    lines += [*_used(proposal), ""]
    lines += [f"Wrote {out.as_posix()}. Next:", *(f"\n  {use}\n    {command}" for use, command in typed.items())]
    return "\n".join(lines)


def _used(proposal: Proposal) -> list[str]:
    """What of the folder is in the cases, and what is left out for which reason."""
    files = sum(len(case.files) for case in proposal.parts.cases)
    sources = ", ".join(path.name for path in proposal.survey.listing.sources)
    told = f", as {sources} tells" if sources else ""
    aside = proposal.survey.aside
    lines = [f"Used: {len(proposal.parts.cases)} cases in {files} files{told}."]
    if not aside:
        return [*lines, "Left out: nothing."]
    below = proposal.survey.listing.below
    reasons = [
        Note(f"{len(files)} {'file' if len(files) == 1 else 'files'}, {reason}: "
             f"{', '.join(map(below, files[:SHOWN]))}{' and more' if len(files) > SHOWN else ''}")
        for reason, files in sorted(aside.items(), key=lambda item: -len(item[1]))
    ]  # fmt: skip
    return [*lines, "Left out:", *_listed(reasons)]


def _listed(notes: Sequence[Note]) -> list[str]:
    texts = [f"{note.text}  [{note.option}]" if note.option else note.text for note in notes]
    wrap = textwrap.TextWrapper(WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False).wrap
    return [line for text in texts for line in wrap(text)]


def _row(head: str, text: str) -> list[str]:
    first, *rest = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False)
    return [f"  {head:<{INDENT - 2}}{first}", *(" " * INDENT + line for line in rest)]


def _data(proposal: Proposal) -> str:
    kind = "photographs" if proposal.dims == 2 else "volumes"
    return f"{len(proposal.parts.cases)} {kind} to {_VERBS[proposal.task]}, {proposal.survey.listing.layout}"


_VERBS = {"classification": "classify", "segmentation": "segment"}


def _images(proposal: Proposal) -> str:
    survey = proposal.survey
    size = " x ".join(map(str, survey.size))
    if survey.dims == 2:
        colours = {header.channels for header in survey.headers}
        kind = "colour and gray" if len(colours) > 1 else "colour" if colours == {3} else "gray"
        return f"{kind}, {survey.bits} bits, {size} pixels (height x width, median)"
    spacing = " x ".join(f"{mm:.3g}" for mm in survey.spacing)
    channels = f"{survey.channels} channels, " if survey.channels > 1 else ""
    kind = "CT in Hounsfield units, " if survey.hounsfield else ""
    turned = Counter(header.orientation for header in survey.headers).most_common(1)[0][0]
    return f"{kind}{channels}{size} voxels of {spacing} mm (medians along R, A, S; files mostly in {turned})"


def _classes(proposal: Proposal) -> str:
    masks = proposal.survey.masks
    if masks is None:
        counts: Counter[str] = Counter(str(case.label) for case in proposal.parts.cases)
        labels = list(proposal.numbers)
        return ",  ".join(f"{name} {counts[label]}" for name, label in zip(proposal.classes, labels, strict=True))
    unit = "pixels" if proposal.dims == 2 else "voxels"
    shares = [
        f"{name} in {masks.cases_with(values)} ({100 * sum(masks.share.get(value, 0) for value in values):.2g} % of "
        f"all {unit})"
        for name, values in zip(proposal.classes, proposal.members, strict=True)
    ][1:]
    if masks.empty:
        shares.append(f"in {masks.empty} masks nothing")
    return ",  ".join(shares)


def _parts(proposal: Proposal) -> str:
    parts = proposal.parts
    test = parts.count("test")
    few = "; on so few its score means little" if test < FEW else ""
    return f"{parts.training} to train on, {parts.validating} to validate, {test} to test{few}"


def _network(proposal: Proposal) -> str:
    size = " x ".join(map(str, proposal.image_size))
    unit = "pixels" if proposal.dims == 2 else "voxels of " + " x ".join(f"{mm:g}" for mm in proposal.spacing) + " mm"
    cut = f", cut after block {proposal.tap}" if proposal.tap else ""
    kind = "" if proposal.task == "classification" else "UNETR over "
    read = "in" if proposal.coarse is None else "slice by slice in"
    return f"{kind}{proposal.backbone}{cut}; it sees {size} {unit} {read} patches of {proposal.patch}"

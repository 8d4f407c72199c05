"""The catalog as text for a terminal."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.catalog import CATALOG, Hub, entry_of
from dvpt_monai.networks.pretrained.download import location, published_or_recorded
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF, IMAGENET

__all__ = ["details", "table"]

NORMALIZATIONS = {IMAGENET: "ImageNet", HALF: "half", CLIP: "CLIP"}
HEAD = ("name", "network", "pixels", "params", "download", "input", "licence", "cached", "pre-training")


def table() -> str:
    """One line for each backbone, in at most 120 columns, and what the marks mean."""
    rows = [HEAD]
    for name, entry in CATALOG.items():
        gated = isinstance(entry.source, Hub) and entry.source.gated
        rows.append(
            (
                name,
                entry.network,
                str(entry.image),
                f"{entry.parameters:.1f} M",
                f"{entry.megabytes} MB" if entry.megabytes else "?",
                NORMALIZATIONS[entry.normalization],
                f"{entry.licence}{'!' if entry.noncommercial else ''}{'*' if gated else ''}",
                "yes" if location(name).is_file() else "no",
                entry.title,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = {HEAD.index(head) for head in ("pixels", "params", "download")}
    lines = [
        "  ".join(
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_legend()])


def _legend() -> list[str]:
    return [
        "!  not for commercial use      *  gated: its owner asks for consent on the Hugging Face Hub first",
        *(
            f"{name}: channels in [0, 1], minus {normalization[0]}, divided by {normalization[1]}"
            for normalization, name in NORMALIZATIONS.items()
        ),
        "python -m dvpt_monai backbones NAME: where it comes from and what to cite",
        "python -m dvpt_monai backbone NAME:  download it and print its path (from the Hub: install dvpt_monai[hub])",
    ]


def details(name: str) -> str:
    """Everything that the catalog says of one backbone.

    Raises:
        PretrainedError: the name is unknown.
    """
    entry, path, sha256 = entry_of(name), location(name), published_or_recorded(name)
    size = f"{entry.megabytes} MB to download" if entry.megabytes else "size of the download unknown"
    gated = isinstance(entry.source, Hub) and entry.source.gated
    whose = "published" if entry.source.sha256 else "of the first download"
    lines = {
        "network": f"{entry.network}, {entry.parameters:.1f} M parameters, {size}",
        "patch": f"{entry.patch} x {entry.patch} of {entry.image} x {entry.image} pixels",
        "input": f"channels in [0, 1], minus {entry.normalization[0]}, divided by {entry.normalization[1]}",
        "licence": f"{entry.licence}: not for commercial use" if entry.noncommercial else entry.licence,
        "source": str(entry.source),
        "gated": "give your consent there first, then `hf auth login`" if gated else "",
        "cite": entry.citation,
        "sha256": f"{sha256} ({whose})" if sha256 else "recorded at the first download",
        "cached": str(path) if path.is_file() else f"no; python -m dvpt_monai backbone {name}",
    }
    return "\n".join([f"{name}: {entry.title}", *(f"  {key:<8} {value}" for key, value in lines.items() if value)])

"""The catalog as text for a terminal: what fits what somebody has, in groups, and everything about one backbone."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.catalog import CATALOG, MODALITIES, Entry, Hub, entry_of, fitting
from dvpt_monai.networks.pretrained.download import location, published_or_recorded
from dvpt_monai.tables import text_lines

__all__ = ["details", "table"]

HEAD = ("name", "network", "pixels", "params", "licence", "access", "pre-training")
NUMBERS = {HEAD.index(head) for head in ("pixels", "params")}
LEGEND = """\
!  not for commercial use      ?  some of what stands here is unverified: NAME says what
*  unpinned: no commit of it is known, so its owner may change it; the hash of your first download holds from then on
access: cached; open, from the package index or the Hugging Face Hub; consent, which its owner asks for there first;
    page, where a person downloads it; or refused, since it does not load
python -m dvpt_monai backbones NAME: input, source, what is unverified, and what to cite
python -m dvpt_monai backbones --for ct: what fits slices of CT, the nearest first, photographs last; there is also
    --for OTHERS
python -m dvpt_monai backbone NAME:  download it and print its path (from the Hub: install dvpt_monai[hub])""".replace(
    "OTHERS", ", ".join(modality for modality in MODALITIES if modality != "ct")
)


def table(modality: str | None = None) -> str:
    """One line for each backbone, in at most 120 columns, by what it is for first; or those that fit one modality.

    Raises:
        PretrainedError: there is no such modality.
    """
    rows = {name: _row(name, entry) for name, entry in CATALOG.items()}
    head, *cells = text_lines([HEAD, *rows.values()], NUMBERS)
    line = dict(zip(rows, cells, strict=True))
    if modality is not None:
        return "\n".join([head, *(line[name] for name in fitting(modality)), "", LEGEND])
    lines = [head]
    for group, title in MODALITIES.items():
        names = [name for name, entry in CATALOG.items() if entry.modalities[0] == group]
        lines += ["", f"For {title}:", *(line[name] for name in names)]
    return "\n".join([*lines, "", LEGEND])


def _row(name: str, entry: Entry) -> tuple[str, ...]:
    marks = ("!" if entry.noncommercial else "") + ("?" if entry.unverified else "")
    return (
        name,
        entry.network,
        str(max(entry.pixels)),
        f"{entry.parameters:.1f} M" if entry.parameters else "?",
        f"{entry.licence}{marks}",
        _access(name, entry),
        entry.title,
    )


def _access(name: str, entry: Entry) -> str:
    if entry.refused:
        return entry.access
    unpinned = isinstance(entry.source, Hub) and not entry.source.pinned
    return f"{'cached' if location(name).is_file() else entry.access}{'*' if unpinned else ''}"


def details(name: str) -> str:
    """Everything that the catalog says of one backbone.

    Raises:
        PretrainedError: the name is unknown.
    """
    entry, path, sha256 = entry_of(name), location(name), published_or_recorded(name)
    size = f"{entry.megabytes} MB to download" if entry.megabytes else "size of the download unknown"
    parameters = f"{entry.parameters:.1f} M parameters" if entry.parameters else "number of parameters unknown"
    whose = "published" if entry.source.sha256 else "of the first download"
    patch, image = (" x ".join(map(str, sides)) for sides in (entry.patch, entry.pixels))
    lines = {
        "for": ", ".join(entry.modalities),
        "network": f"{entry.network}, {parameters}, {size}",
        "patch": f"{patch} of {image} {'voxels' if entry.dims == 3 else 'pixels'}",
        "input": _input(entry),
        "licence": f"{entry.licence}: not for commercial use" if entry.noncommercial else entry.licence,
        "access": f"refused: {entry.refused}" if entry.refused else entry.access,
        "source": str(entry.source),
        "revision": _revision(entry),
        "gated": "give your consent there first, then `hf auth login`" if entry.access == "consent" else "",
        "advice": entry.advice,
        "cite": entry.citation,
        "unverified": entry.unverified or "nothing",
        "sha256": f"{sha256} ({whose})" if sha256 else "recorded at the first download",
        "cached": str(path) if path.is_file() else f"no; python -m dvpt_monai backbone {name}",
    }
    return "\n".join([f"{name}: {entry.title}", *(f"  {key:<10} {value}" for key, value in lines.items() if value)])


def _input(entry: Entry) -> str:
    channels = "" if entry.channels == 3 else f"{entry.channels} channel(s), "
    if entry.normalization is None:
        known = entry.intensities or "scaled as in its training, which could not be looked up"
        return f"{channels}{known}; give normalization=(means, standard deviations)"
    return f"{channels}channels in [0, 1], minus {entry.normalization[0]}, divided by {entry.normalization[1]}"


def _revision(entry: Entry) -> str:
    if not isinstance(entry.source, Hub):
        return ""
    unpinned = ", unpinned: its owner may change it, its first download's hash holds"
    return f"{entry.source.revision}{'' if entry.source.pinned else unpinned}"

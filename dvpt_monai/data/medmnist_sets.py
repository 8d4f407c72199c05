"""The sets of MedMNIST v2 and MedMNIST+ with the hashes of their files, as published.

Yang et al., "MedMNIST v2", Scientific Data 10 (2023) 41; the files are at Zenodo, record 10519652. Their md5 are those
of the package ``medmnist`` 3.0.2 (``medmnist/info.py``), the owners' own.
"""

from __future__ import annotations

from dataclasses import dataclass

from dvpt_monai.errors import DataError, did_you_mean

__all__ = ["FILES", "FINDINGS", "MEDMNIST", "MedMNISTSet", "md5_of", "split_name", "stem_of"]

FILES = "https://zenodo.org/records/10519652/files"
FINDINGS = (
    "atelectasis",
    "cardiomegaly",
    "effusion",
    "infiltration",
    "mass",
    "nodule",
    "pneumonia",
    "pneumothorax",
    "consolidation",
    "edema",
    "emphysema",
    "fibrosis",
    "pleural",
    "hernia",
)
"""The labels of ChestMNIST, in the order of their columns."""


@dataclass(frozen=True)
class MedMNISTSet:
    """One set, in several sizes.

    Args:
        md5: of the file of each size, in pixels.
        columns: names of the labels.
        licence: of the images.
    """

    md5: dict[int, str]
    columns: tuple[str, ...] = ("label",)
    licence: str = "CC BY 4.0"


def _set(*md5: str, columns: tuple[str, ...] = ("label",), licence: str = "CC BY 4.0") -> MedMNISTSet:
    return MedMNISTSet(dict(zip((28, 64, 128, 224), md5, strict=False)), columns, licence)


MEDMNIST = {
    "pathmnist": _set(
        "a8b06965200029087d5bd730944a56c1",
        "55aa9c1e0525abe5a6b9d8343a507616",
        "ac42d08fb904d92c244187169d1fd1d9",
        "2c51a510bcdc9cf8ddb2af93af1eadec",
    ),
    "chestmnist": _set(
        "02c8a6516a18b556561a56cbdd36c4a8",
        "9de6cd0b934ebb5b7426cfba5efbae16",
        "db107e5590b27930b62dbaf558aebee3",
        "45bd33e6f06c3e8cdb481c74a89152aa",
        columns=FINDINGS,
    ),
    "dermamnist": _set(
        "0744692d530f8e62ec473284d019b0c7",
        "b70a2f5635c6199aeaa28c31d7202e1f",
        "2defd784463fa5243564e855ed717de1",
        "8974907d8e169bef5f5b96bc506ae45d",
        licence="CC BY-NC 4.0",
    ),
    "octmnist": _set(
        "c68d92d5b585d8d81f7112f81e2d0842",
        "e229e9440236b774d9f0dfef9d07bdaf",
        "0a97e76651ace45c5d943ee3f65b63ae",
        "abc493b6d529d5de7569faaef2773ba3",
    ),
    "pneumoniamnist": _set(
        "28209eda62fecd6e6a2d98b1501bb15f",
        "8f4eceb4ccffa70c672198ea285246c6",
        "05b46931834c231683c68f40c47b2971",
        "d6a3c71de1b945ea11211b03746c1fe1",
    ),
    "retinamnist": _set(
        "bd4c0672f1bba3e3a89f0e4e876791e4",
        "afda852cc34dcda56f86ad2b2457dbcc",
        "e48e916a24454daf90583d4e6efb1a18",
        "eae7e3b6f3fcbda4ae613ebdcbe35348",
        columns=("dr_grade",),
    ),
    "breastmnist": _set(
        "750601b1f35ba3300ea97c75c52ff8f6",
        "742edef2a1fd1524b2efff4bd7ba9364",
        "363e4b3f8d712e9b5de15470a2aaadf1",
        "b56378a6eefa9fed602bb16d192d4c8b",
    ),
    "bloodmnist": _set(
        "7053d0359d879ad8a5505303e11de1dc",
        "2b94928a2ae4916078ca51e05b6b800b",
        "adace1e0ed228fccda1f39692059dd4c",
        "b718ff6835fcbdb22ba9eacccd7b2601",
    ),
    "tissuemnist": _set(
        "ebe78ee8b05294063de985d821c1c34b",
        "123ece2eba09d0aa5d698fda57103344",
        "61b955355d7425a89687b06cca3ce0c2",
        "b077128c4a949f0a4eb01517f9037b9c",
    ),
    "organamnist": _set(
        "68e3f8846a6bd62f0c9bf841c0d9eacc",
        "2dcccc29b88e6da5a01161ef20cda288",
        "eeae80d0a227a8d099027e1b3cfd3b60",
        "50747347e05c87dd3aaf92c49f9f3170",
    ),
    "organcmnist": _set(
        "b9ceb9546e10131b32923c5bbeaea2b1",
        "3ce34a8724ea6f548e6db4744d03b6a9",
        "773c1f009daa3fe5d9a2a201b2a7ed94",
        "050f5e875dc056f6768abf94ec9995d1",
    ),
    "organsmnist": _set(
        "9ab87b696fb54e2a387ebe992d6ed5f1",
        "53a6d115339d874c25e309a994ff46d3",
        "ded0c5fa01a95dc4978b956f613e9b8e",
        "b354719e553fbbb2513d5533f52a4cb1",
    ),
    "organmnist3d": _set("a0c5a1ff56af4f155c46d46fbb45a2fe", "58a2205adf14a9d0a189cb06dc78bf10"),
    "nodulemnist3d": _set("8755a7e9e05a4d9ce80a24c3e7a256f3", "c47c5b7d457bf6332200d2ea6d64ecd8"),
    "adrenalmnist3d": _set("bbd3c5a5576322bc4cdfea780653b1ce", "17721accfe9fb005146a47d33bc54b2f"),
    "fracturemnist3d": _set("6aa7b0143a6b42da40027a9dda61302f", "f01d7e6316aedf4210da0da5b7437b42"),
    "vesselmnist3d": _set("b41fd4f7e7e2feedddb201585ecafa1b", "6bb274a8846e1097066dcd64e2c4520f"),
    "synapsemnist3d": _set("1235b78a3cd6280881dd7850a78eadb6", "43bd14ebf3af9d3dd072446fedc14d5e"),
}
"""The sets by name; those in 3D end in ``3d``. RetinaMNIST's label has the column that the fundus bundle reads."""


def stem_of(name: str, size: int | None = None) -> str:
    """The name of a set's file without ``.npz``; without a size it is the name's own, else 28.

    Raises:
        DataError: there is no such set, or not in this size; names what was meant.

    Example:
        >>> stem_of("retinamnist", 224), stem_of("adrenalmnist3d_64"), stem_of("bloodmnist")
        ('retinamnist_224', 'adrenalmnist3d_64', 'bloodmnist')
    """
    base, written = split_name(name)
    if base not in MEDMNIST:
        near = did_you_mean(base, MEDMNIST)
        meant = f"did you mean {near}?" if near else f"there are {', '.join(MEDMNIST)}"
        raise DataError(f"MedMNIST has no set {base!r}; {meant}")
    if None not in (size, written) and size != written:
        raise DataError(f"{name} in size {size}: the name says another; write {base} and the size")
    pixels = size or written or 28
    if pixels not in MEDMNIST[base].md5:
        raise DataError(f"{base} has no size {pixels}; choose one of {', '.join(map(str, MEDMNIST[base].md5))}")
    return base if pixels == 28 else f"{base}_{pixels}"


def md5_of(stem: str) -> str | None:
    """The published md5 of a file; None if it is none of MedMNIST's."""
    base, size = split_name(stem)
    return MEDMNIST[base].md5.get(size or 28) if base in MEDMNIST else None


def split_name(stem: str) -> tuple[str, int | None]:
    """The set and the size in a name such as ``retinamnist_224``."""
    base, _, size = stem.rpartition("_")
    return (base, int(size)) if base and size.isdecimal() else (stem, None)

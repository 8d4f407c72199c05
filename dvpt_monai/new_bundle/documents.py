"""What a bundle says of itself to tools and on the command line: metadata, names, commands."""

from __future__ import annotations

from shlex import quote

import monai
import numpy
import torch

from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.template import CLASSIFICATION, SEGMENTATION, Config, read

__all__ = ["LICENCE_OF_THE_DATA", "commands", "metadata", "network", "title"]

LICENCE_OF_THE_DATA = """\
This bundle contains no data. It was made for those in
    {root}

TO DO, before the bundle is given to others: say where the data come from, who may use them for what (their licence, or
the consent and the approval that they were collected under), and whom to cite.

The backbone that train.json loads by default is {backbone}.
    `python -m dvpt_monai backbones` lists the licences of those that have a name; one of your own has yours.
"""


def title(proposal: Proposal) -> str:
    """What the bundle does, in words, from the folder's name."""
    of = proposal.name.removesuffix(f"_{proposal.task}").replace("_", " ")
    return f"{proposal.task.capitalize()}, {of}"


def metadata(proposal: Proposal, template: str) -> Config:
    """The metadata: those of the template, with what this bundle reads and gives."""
    meta = read(template, "metadata")
    data, names = proposal.root.name, ", ".join(proposal.classes)
    channels = {str(place): name for place, name in enumerate(_channels(proposal))}
    size, kind = list(proposal.image_size), "photographs" if proposal.dims == 2 else "volumes"
    windows = proposal.task == "segmentation" and proposal.dims == 3
    meta.update(
        version="0.1.0",
        changelog={"0.1.0": "written by dvpt_monai init"},
        monai_version=monai.__version__,
        pytorch_version=torch.__version__.split("+")[0],
        numpy_version=numpy.__version__,
        name=title(proposal),
        task=f"{proposal.task.capitalize()} of {kind} into {names}",
        description=f"A {network(proposal)}, tuned on {data}.",
        authors="TO DO: your names",
        copyright="TO DO: Copyright (c) your names",
        data_source=f"TO DO: where {data} comes from",
        data_type="image" if proposal.dims == 2 else "nifti",
        image_classes=f"{len(channels)} channels: {', '.join(channels.values())}",
        label_classes=", ".join(f"{number} {name}" for number, name in enumerate(proposal.classes)),
        pred_classes=f"{len(proposal.classes)} channels of logits: {names}",
        eval_metrics={},
        references=meta["references"][:1],
    )
    packages = meta["required_packages_version"]
    for reader in ("pillow", "nibabel"):
        packages.pop(reader, None)
    reader, source = ("pillow", CLASSIFICATION) if proposal.dims == 2 else ("nibabel", SEGMENTATION)
    packages[reader] = read(source, "metadata")["required_packages_version"][reader]
    image, pred = (meta["network_data_format"][side][name] for side, name in (("inputs", "image"), ("outputs", "pred")))
    image.update(
        format="rgb" if proposal.dims == 2 else "hounsfield" if proposal.survey.hounsfield else "magnitude",
        num_channels=len(channels),
        spatial_shape=size,
        value_range=[-2.2, 2.7] if proposal.dims == 2 else [0, 1],
        is_patch_data=windows,
        channel_def=channels,
    )
    image["modality"] = "n/a" if proposal.dims == 2 else "CT" if proposal.survey.hounsfield else "n/a"
    pred.update(
        num_channels=len(proposal.classes),
        is_patch_data=windows,
        channel_def={str(number): name for number, name in enumerate(proposal.classes)},
    )
    if proposal.task == "segmentation":
        pred["spatial_shape"] = size
    return meta


def commands(proposal: Proposal, folder: str) -> dict[str, str]:
    """What to type, by what it is for."""
    configs, train, inference = (f"{folder}/configs{file}" for file in ("", "/train.json", "/inference.json"))
    return {
        "train": f"python -m monai.bundle run training --config_file {quote(train)}",
        "evaluate": "python -m monai.bundle run evaluating "
        f"--config_file \"['{configs}/train.json','{configs}/evaluate.json']\"",
        "predict": f"python -m monai.bundle run inferring --config_file {quote(inference)} --dataset_dir NEW",
        "check": f"python -m dvpt_monai check-bundle {quote(folder)}",
    }


def network(proposal: Proposal) -> str:
    """The network in words."""
    head = "" if proposal.task == "classification" else "UNETR over a "
    return f"{head}{'' if proposal.architecture.random else 'frozen '}vision transformer ({proposal.backbone})"


def _channels(proposal: Proposal) -> list[str]:
    if proposal.dims == 2:
        return ["red", "green", "blue"]
    return ["image"] if proposal.channels == 1 else [f"channel {number}" for number in range(proposal.channels)]

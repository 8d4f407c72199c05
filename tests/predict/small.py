"""A small prediction: volumes, a network of one layer, and everything else as in a bundle."""

import nibabel
import numpy as np
import torch
from monai.data import Dataset
from monai.inferers import SlidingWindowInferer
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    Invertd,
    Orientationd,
    ScaleIntensityd,
)

from dvpt_monai.bundle import find_images
from dvpt_monai.predict import CaseLoader, Predictor
from dvpt_monai.transforms import LoadImaged, SaveImageSegmentationd, Spacingd

SUFFIXES = [".nii.gz", ".nii"]
TURNED = np.array([[0, -1.5, 0, 7], [-1.0, 0, 0, -3], [0, 0, 2.0, 11], [0, 0, 0, 1]])


def network(classes=3):
    torch.manual_seed(0)
    return torch.nn.Conv3d(1, classes, 3, padding=1)


def volume(path, seed=0, shape=(14, 12, 10), affine=TURNED, value=None):
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    if value is not None:
        array[tuple(length // 2 for length in shape)] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def folder_of(folder, count, bad=()):
    """Volumes of which those whose numbers are in `bad` are each damaged in one way or another."""
    for number in range(count):
        path = folder / f"case_{number:04}.nii.gz"
        volume(path, number, value=np.nan if number in bad and number % 3 == 0 else None)
        if number in bad and number % 3 == 1:
            path.write_bytes(path.read_bytes()[:-40])
        if number in bad and number % 3 == 2:
            path.write_bytes(b"no image")
    return folder


def predictor(source, out, *, spacing=(1.0, 1.0, 1.0), net=None, window=(8, 8, 8), overlap=0.25, batch=3, **options):
    cases = find_images(source, SUFFIXES, series=True)
    prepare = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=spacing, mode="bilinear"),
            ScaleIntensityd("image"),
        ]
    )
    answer = Compose(
        [
            Activationsd("pred", softmax=True),
            Invertd("pred", prepare, orig_keys="image", nearest_interp=False),
            AsDiscreted("pred", argmax=True),
            SaveImageSegmentationd("pred", out),
        ]
    )
    return Predictor(
        "cpu",
        CaseLoader(Dataset(cases, prepare)),
        network() if net is None else net,
        output_dir=out,
        weights="none",
        settings={"spacing": spacing},
        inferer=SlidingWindowInferer(window, batch, overlap, mode="gaussian"),
        postprocessing=answer,
        **options,
    )


def labels(folder):
    """What was written, by name."""
    paths = sorted(folder.rglob("*_seg.*"))
    return {str(path.relative_to(folder)): np.asanyarray(nibabel.load(path).dataobj) for path in paths}

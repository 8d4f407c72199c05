"""Small data sets without a fault, and how to spoil one file of them."""

import json

import nibabel as nib
import numpy as np
from PIL import Image

AFFINE = np.array([[0.8, 0.1, 0, -20.0], [-0.1, 0.8, 0, 15.0], [0, 0, 1.5, 40.0], [0, 0, 0, 1]])
AFFINE[:3, :3] = AFFINE[:3, :3] / np.linalg.norm(AFFINE[:3, :3], axis=0) * [0.8, 0.8, 1.5]
SIZE = (16, 14, 12)


def smooth(rng, size, channels=()):
    """Blobs that no two images share, in 0..1."""
    coarse = rng.random((*[max(3, min(8, side // 3)) for side in size], *channels))
    fine = coarse
    for axis, side in enumerate(size):
        places = np.linspace(0, coarse.shape[axis] - 1, side)
        below = np.minimum(places.astype(int), coarse.shape[axis] - 2)
        share = (places - below).reshape(-1, *(1,) * (fine.ndim - axis - 1))
        fine = np.take(fine, below, axis) * (1 - share) + np.take(fine, below + 1, axis) * share
    return fine


def volumes(folder, count=12, seed=0, affine=AFFINE):
    """Volumes with masks of two structures in the Decathlon's layout."""
    rng = np.random.default_rng(seed)
    training = []
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image = (smooth(rng, SIZE) * 1000).astype(np.int16)
        mask = np.zeros(SIZE, np.uint8)
        mask[4:8, 4:9, 3:8], mask[8:12, 5:10, 3:8] = 1, 2
        case = {"image": f"imagesTr/v{number:03}.nii.gz", "label": f"labelsTr/v{number:03}.nii.gz"}
        save_volume(image, folder / case["image"], affine)
        save_volume(mask, folder / case["label"], affine)
        training.append(case)
    content = {"labels": {"0": "background", "1": "head", "2": "tail"}, "training": training}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def save_volume(array, path, affine=AFFINE, qform=1, sform=1):
    volume = nib.Nifti1Image(array, affine)
    volume.set_qform(affine, qform)
    volume.set_sform(affine, sform)
    nib.save(volume, path)


def photographs(folder, count=12, seed=0):
    """Colour photographs with masks of one structure, in two folders."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        pixels = (smooth(rng, (96, 72), (3,)) * 255).astype(np.uint8)
        mask = np.zeros((96, 72), np.uint8)
        mask[20:60, 16:40] = 255
        Image.fromarray(pixels).save(folder / "images" / f"p{number:03}.png")
        Image.fromarray(mask).save(folder / "masks" / f"p{number:03}.png")
    return folder


def eyes(folder, count=12, seed=0):
    """A table of graded photographs of patients, in parts."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = ["image,grade,split,patient"]
    for number in range(count):
        pixels = (smooth(rng, (96, 72), (3,)) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"e{number:03}.png")
        split = "test" if number >= count * 2 // 3 else "train"
        rows.append(f"images/e{number:03}.png,{number % 2},{split},p{number}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder

"""Small data sets in every layout; every image differs."""

import json
import zlib

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from PIL import Image

AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])


class Data:
    """Writes images and masks of its own below a folder; every image differs."""

    def __init__(self, root):
        self.root = root
        self.random = np.random.default_rng(0)

    def _place(self, name):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def photo(self, name, size=(40, 50), mode="RGB", bright=0):
        pixels = self.random.integers(0, 120, (*size, 3)).astype(np.uint8)
        pixels[5:20, 12 + bright : 30 + bright] = 220
        image = Image.fromarray(pixels)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)
        elif mode != "RGB":
            image = image.convert(mode)
        image.save(self._place(name), **({"format": "JPEG"} if name.endswith(".jfif") else {}))

    def mask(self, name, size=(40, 50), value=255):
        pixels = np.zeros(size, np.uint8)
        pixels[5:20, 12:30] = value
        Image.fromarray(pixels).save(self._place(name))

    def volume(self, name, size=(20, 24, 18), bright=0, channels=None, affine=AFFINE, air=False):
        voxels = self.random.normal(100, 10, size if channels is None else (*size, channels)).astype(np.float32)
        voxels[5:12, 5:12, 5:12] += 50 * (1 + bright)
        if air:
            voxels[:3] = -1000
        self._save(voxels, affine, name)

    def _save(self, voxels, affine, name):
        if name.endswith((".nii", ".nii.gz")):
            nib.save(nib.Nifti1Image(voxels, affine), self._place(name))
            return
        image = sitk.GetImageFromArray(voxels.T)
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        sitk.WriteImage(image, str(self._place(name)))

    def voxel_mask(self, name, size=(20, 24, 18), value=1, affine=AFFINE):
        voxels = np.zeros(size, np.uint8)
        voxels[5:12, 5:12, 5:12] = value
        self._save(voxels, affine, name)

    def text(self, name, text):
        self._place(name).write_text(text)

    # --- whole data sets

    def class_folders(self, classes=("benign", "malign"), each=8, part="", volumes=False, affine=AFFINE):
        for number, name in enumerate(classes):
            for i in range(each):
                place = f"{part}/{name}/{part or 'case'}{i}" if part else f"{name}/case{i}"
                if volumes:
                    self.volume(f"{place}.nii.gz", bright=number, affine=affine)
                else:
                    self.photo(f"{place}.png", bright=6 * number)
        return self.root

    def table(self, count=12, head="image,label", row="images/{i}.png,{c}", volumes=False):
        rows = [head]
        for i in range(count):
            if volumes:
                self.volume(f"images/{i}.nii.gz", bright=i % 2)
            else:
                self.photo(f"images/{i}.png", bright=6 * (i % 2))
            rows.append(row.format(i=i, c=("benign", "malign")[i % 2], p=i // 2))
        self.text("labels.csv", "\n".join(rows) + "\n")
        return self.root

    def pairs(self, count=10, images="images/{i}.jpg", masks="masks/{i}.png", value=255):
        for i in range(count):
            self.photo(images.format(i=i))
            self.mask(masks.format(i=i), value=value)
        return self.root

    def volume_pairs(
        self, count=8, images="imagesTr/{i}.nii.gz", masks="labelsTr/{i}.nii.gz", affine=AFFINE, **options
    ):
        for i in range(count):
            self.volume(images.format(i=i), affine=affine, **options)
            self.voxel_mask(masks.format(i=i), value=1 + i % 2, affine=affine)
        return self.root

    def decathlon(self, count=8, **content):
        self.volume_pairs(count)
        cases = [{"image": f"./imagesTr/{i}.nii.gz", "label": f"./labelsTr/{i}.nii.gz"} for i in range(count)]
        names = {"0": "background", "1": "liver", "2": "big tumour"}
        self.text("dataset.json", json.dumps({"labels": names, "training": cases, **content}))
        return self.root


def series(data, name, slices=3, size=12):
    """Write a DICOM series into a folder of the data."""
    folder = data.root / name
    folder.mkdir(parents=True)
    uid = f"1.2.{zlib.crc32(name.encode())}"
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for index in range(slices):
        image = sitk.GetImageFromArray(data.random.integers(0, 900, (1, size, size)).astype("int16"))
        image.SetSpacing((1, 1, 2))
        tags = {"0008|0060": "CT", "0020|000e": uid, "0008|0018": f"{uid}.{index}", "0020|0013": str(index),
                "0020|0032": f"0\\0\\{2 * index}", "0020|0037": "1\\0\\0\\0\\1\\0"}  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{index:02}.dcm"))
        writer.Execute(image)

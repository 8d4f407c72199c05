"""Copies, patients and classes."""

import json
import shutil

import numpy as np
from PIL import Image

from tests.verify.damages.registry import EYES, PHOTOGRAPHS, VOLUMES, damage, image, mask, values
from tests.verify.data_sets import save_volume


@damage("copy", VOLUMES, PHOTOGRAPHS)
def copy(folder, number):
    other = (number + 1) % 12
    shutil.copyfile(image(folder, min(number, other)), image(folder, max(number, other)))
    return image(folder, max(number, other))


@damage("likely-copy", PHOTOGRAPHS)
def resized_copy(folder, number):
    other = (number + 1) % 12
    source, target = image(folder, min(number, other)), max(number, other)
    for path, resample in ((image(folder, target), Image.Resampling.BICUBIC), (mask(folder, target), 0)):
        Image.open(source if "images" in str(path) else path).resize((144, 192), resample).save(path)
    return image(folder, target)


@damage("likely-copy", VOLUMES)
def scaled_copy(folder, number):
    other = (number + 1) % 12
    array = values(image(folder, min(number, other)))
    save_volume((array * 1.1).astype(np.int16), image(folder, max(number, other)))
    return image(folder, max(number, other))


def last_row(folder, **cells):
    """Append a row to the table of eyes."""
    with (folder / "labels.csv").open("a") as file:
        file.write("{image},{grade},{split},{patient}\n".format(**cells))


@damage("leak", EYES)
def copy_in_the_test(folder, number):
    path = folder / "images" / "z.png"
    shutil.copyfile(image(folder, number), path)
    last_row(folder, image="images/z.png", grade=number % 2, split="train" if number >= 8 else "test", patient="new")
    return path


@damage("likely-leak", EYES)
def reencoded_copy_in_the_test(folder, number):
    path = folder / "images" / "z.jpg"
    Image.open(image(folder, number)).save(path, quality=85)
    last_row(folder, image="images/z.jpg", grade=number % 2, split="train" if number >= 8 else "test", patient="new")
    return path


@damage("contradiction", EYES)
def copy_with_another_label(folder, number):
    path = folder / "images" / "z.png"
    shutil.copyfile(image(folder, number), path)
    last_row(folder, image="images/z.png", grade=1 - number % 2, split="train", patient="new")
    return path


@damage("patient", EYES)
def patient_in_two_parts(folder, number):
    path = folder / "images" / "z.png"
    Image.fromarray(np.random.default_rng(99).integers(0, 255, (96, 72, 3), np.uint8)).save(path)
    split = "train" if number >= 8 else "test"
    last_row(folder, image="images/z.png", grade=0, split=split, patient=f"p{number}")
    return path


@damage("scarce", EYES)
def class_of_one(folder, number):
    rows = (folder / "labels.csv").read_text().splitlines()
    rows[number + 1] = rows[number + 1].replace(f",{number % 2},", ",9,")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@damage("class-spelling", EYES)
def class_in_two_spellings(folder, number):
    rows = (folder / "labels.csv").read_text().replace(",0,", ",healthy,").replace(",1,", ",ill,").splitlines()
    rows[number + 1] = rows[number + 1].replace(",healthy,", ",Healthy,").replace(",ill,", ",Ill,")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@damage("label-unknown", VOLUMES)
def structure_that_is_not_declared(folder, number):
    path = mask(folder, number)
    array = values(path)
    array[array == 2] = 3
    save_volume(array, path)
    return path


@damage("layout", VOLUMES)
def broken_list(folder, number):
    content = json.loads((folder / "dataset.json").read_text())
    content["training"][number] = "no case"
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder

"""What may be given: folders, lists, tables and bundles."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dvpt_monai.errors import BundleError, DataError
from dvpt_monai.formats.seg_nrrd import write_seg_nrrd
from dvpt_monai.layouts import list_cases
from dvpt_monai.new_bundle import Columns
from dvpt_monai.verify import verify
from tests.verify import damages
from tests.verify.data_sets import AFFINE, SIZE, eyes, photographs, save_volume, smooth, volumes

REPOSITORY = Path(__file__).parents[2]
PLACES = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def codes(data, **options):
    return {finding.kind.code for finding in verify(data, workers=1, progress=False, **options).findings}


def test_images_alone(tmp_path):
    folder = photographs(tmp_path / "data", count=3) / "images"
    report = verify(folder, workers=1, progress=False)
    assert report.findings == () and report.data.layout == "images alone" and len(report.facts) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_the_images_is_named_and_not_waited_for(tmp_path):
    folder = photographs(tmp_path / "data", count=3) / "images"
    for name in ("pipe.png", "pipe"):
        os.mkfifo(folder / name)
    [finding] = verify(folder, workers=1, progress=False).findings
    assert (finding.kind.code, finding.file.name) == ("unreadable", "pipe.png") and "a pipe" in finding.what


def test_a_list_in_text(tmp_path):
    folder = photographs(tmp_path / "data", count=3)
    listed = folder / "list.txt"
    listed.write_text("images/p000.png\nimages/gone.png\n")
    report = verify(listed, workers=1, progress=False)
    assert [(each.kind.code, each.file.name) for each in report.findings] == [("missing", "gone.png")]
    assert len(report.facts) == 1


def test_a_table_of_one_column(tmp_path):
    folder = photographs(tmp_path / "data", count=3)
    (folder / "list.csv").write_text("image\nimages/p000.png\nimages/p002.png\n")
    report = verify(folder / "list.csv", workers=1, progress=False)
    assert report.findings == () and [each.case.image.name for each in report.facts] == ["p000.png", "p002.png"]


def test_a_list_in_json(tmp_path):
    folder = volumes(tmp_path / "data", count=2)
    entries = json.loads((folder / "dataset.json").read_text())["training"]
    (folder / "list.json").write_text(json.dumps(entries))
    assert verify(folder / "list.json", workers=1, progress=False).classes == {"1": 2, "2": 2}


def test_a_mask_for_each_structure(tmp_path):
    folder = photographs(tmp_path / "data", count=3)
    for path in [*(folder / "masks").iterdir()]:
        for name in ("MA", "EX"):
            path.with_name(f"{path.stem}_{name}.png").write_bytes(path.read_bytes())
        path.unlink()
    report = verify(folder, workers=1, progress=False)
    assert report.findings == () and [len(each.masks) for each in report.facts] == [2, 2, 2]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}", "masks/{}"),
        ("{}", "{}_mask"),
        ("a/{}", "b/{}_seg"),
        ("{}", "masks/{}"),
        ("photographs/{}", "masks/{}"),
        ("site/images/{}", "site/masks/{}"),
    ],
)
def test_masks_are_taken_for_masks_wherever_they_lie(tmp_path, image, mask):
    source, folder = photographs(tmp_path / "source", count=3), tmp_path / "data"
    for kind, name in (("images", image), ("masks", mask)):
        for path in sorted((source / kind).iterdir()):
            place = folder / f"{name.format(path.stem)}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
    report = verify(folder, workers=1, progress=False)
    assert report.findings == () and [len(each.masks) for each in report.facts] == [1, 1, 1]


def test_masks_are_no_images_where_nobody_can_pair_them(tmp_path):
    folder = photographs(tmp_path / "data", count=3)
    for name in ("gt", "labels"):
        shutil.copytree(folder / "masks", folder / name)
    report = verify(folder, workers=1, progress=False)
    assert {each.kind.code for each in report.findings} == {"layout"}
    assert [each.case.image.parent.name for each in report.facts] == ["images"] * 3


def test_a_segmentation_of_a_part_of_its_image(tmp_path):
    """What writes segmentations cuts off what is empty; another mask has to cover the whole."""
    for name in ("a", "b"):
        image = (smooth(np.random.default_rng(ord(name)), SIZE) * 1000).astype(np.int16)
        save_volume(image, tmp_path / f"{name}.nii.gz")
        labels = np.zeros(SIZE, np.uint8)
        labels[4:8, 4:9, 3:8] = 1
        part, affine = labels[3:9, 3:10, 2:9], AFFINE.copy()
        affine[:3, 3] = (AFFINE @ [3, 3, 2, 1])[:3]
        write_seg_nrrd(tmp_path / f"{name}.seg.nrrd", part, affine, ["liver"])
    report = verify(tmp_path, workers=1, progress=False)
    assert (
        report.findings == ()
        and [sum(next(iter(each.masks.values())).values()) for each in report.facts] == [np.prod(SIZE)] * 2
    )
    affine[:3, 3] += 500
    write_seg_nrrd(tmp_path / "b.seg.nrrd", part, affine, ["liver"])
    assert codes(tmp_path) == {"shape"}
    (tmp_path / "b.seg.nrrd").unlink()
    (tmp_path / "a.seg.nrrd").unlink()
    for name in ("a", "b"):
        save_volume(part, tmp_path / f"{name}_mask.nii.gz", affine)
    assert "shape" in codes(tmp_path)


def test_columns_of_a_table(tmp_path):
    folder = eyes(tmp_path / "eyes")
    head, *rows = (folder / "labels.csv").read_text().splitlines()
    lines = [f"{head.replace('grade', 'left')},right", *(f"{row},{number % 3}" for number, row in enumerate(rows))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    assert "layout" in codes(folder)
    assert codes(folder, columns=Columns(label="left")) == set()


def test_patients_by_their_names(tmp_path):
    folder = tmp_path / "data"
    rng = np.random.default_rng(0)
    for part, names in {"train": ("p1_a", "p2_a"), "test": ("p2_b", "p3_a")}.items():
        for label, name in zip(("ill", "well"), names, strict=True):
            path = folder / part / label / f"{name}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
    assert "patient" not in codes(folder)
    assert "patient" in codes(folder, group_pattern=r"p\d+")


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ({"num_classes": 3}, set()),
        ({"num_classes": 2}, {"label-unknown"}),
        ({"num_classes": 2, "label_values": [0, 1, 2]}, set()),
        ({"num_classes": 2, "label_values": [0, 1]}, {"label-unknown"}),
        ({"num_classes": 2, "label_values": [0, 1], "prepare": [{"_target_": "x", "ignored": 2}]}, set()),
        ({"num_classes": 1, "regions": [[1, 2]]}, set()),
    ],
)
def test_a_bundle_tells_the_values_of_its_masks(tmp_path, own, left):
    folder = volumes(tmp_path / "data", count=2)  # with 0, 1 and 2
    entries = json.loads((folder / "dataset.json").read_text())["training"]
    cases = [{key: str(folder / file) for key, file in case.items()} for case in entries]
    content = {"bundle_root": ".", "dataset_dir": str(folder), "cases": cases, **own}
    content |= {"train": {"dataset": {"data": "$@cases[:1]"}}, "validate": {"dataset": {"data": "$@cases[1:]"}}}
    config = tmp_path / "bundle" / "configs" / "train.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(content))
    assert codes(config) == left


def test_a_bundle_tells_its_parts(tmp_path):
    folder = volumes(tmp_path / "data", count=4)
    training = [{key: str(folder / file) for key, file in case.items()} for case in
                json.loads((folder / "dataset.json").read_text())["training"]]  # fmt: skip
    config = tmp_path / "bundle" / "configs" / "train.json"
    config.parent.mkdir(parents=True)
    content = {
        "bundle_root": ".",
        "dataset_dir": str(folder),
        "num_classes": 2,
        "cases": training,
        "train": {"dataset": {"data": "$@cases[:3]"}},
        "validate": {"dataset": {"data": "$@cases[2:]"}},
    }
    config.write_text(json.dumps(content))
    report = verify(tmp_path / "bundle", workers=1, progress=False)
    assert [each.case.part for each in report.facts] == ["train"] * 3 + ["validation"] * 2
    assert {each.kind.code for each in report.findings} == {"label-unknown", "leak"}

    del content["validate"]
    config.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"validate#dataset#data"):
        verify(config, workers=1, progress=False)


def test_nothing_to_verify(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        verify(tmp_path / "gone")
    with pytest.raises(DataError, match="no images here"):
        verify(tmp_path)


def test_five_axes_are_named(tmp_path):
    folder = volumes(tmp_path / "data", count=3)
    path = damages.image(folder, 1)
    save_volume(np.zeros((*SIZE, 2, 3), np.float32) + damages.values(path)[..., None, None], path)
    assert ("refused", path) in {(each.kind.code, each.file) for each in verify(folder, progress=False).findings}


def test_a_case_that_nobody_foresaw_hides_none_of_the_others(tmp_path, monkeypatch):
    folder = photographs(tmp_path / "data", count=3) / "images"

    def stumble(array):
        raise KeyError(4)

    monkeypatch.setattr("dvpt_monai.verify.inspect.sketch", stumble)
    found = verify(folder, workers=1, progress=False).findings
    assert [(each.kind.code, each.what) for each in found] == [("unreadable", "KeyError: 4")] * 3


@pytest.mark.slow
def test_a_script_that_starts_itself_again_says_why(tmp_path):
    """Processes import the script that calls verify, which then calls it once more."""
    photographs(tmp_path / "data", count=3)
    script = tmp_path / "script.py"
    call = f"verify({str(tmp_path / 'data')!r}, workers=2, progress=False)"
    for text, words in ((call, "if __name__ == '__main__'"), (f"if __name__ == '__main__':\n    {call}", "")):
        script.write_text(f"from dvpt_monai.verify import verify\n{text}\n")
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=REPOSITORY, env=PLACES)
        assert words in done.stderr.splitlines()[-1] if words else done.returncode == 0, done.stderr


def test_an_archive_is_to_be_unpacked(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"data\.zip: neither a table nor a dataset\.json; unpack it first"):
        list_cases(tmp_path / "data.zip")


def test_masks_of_two_conventions(tmp_path):
    folder = photographs(tmp_path / "data", count=5)
    for number in (1, 3):
        path = damages.mask(folder, number)
        Image.fromarray(damages.pixels(path) // 255).save(path)
    found = verify(folder, workers=1, progress=False).findings
    assert [(each.kind.code, each.file) for each in found] == [
        ("label-conventions", damages.mask(folder, number)) for number in (1, 3)
    ]
    Image.fromarray(damages.pixels(path) + np.uint8(2) * (damages.pixels(path) == 0)).save(path)  # with 2: structures
    assert "label-conventions" not in codes(folder)


def test_more_memory_than_the_budget(tmp_path):
    folder = volumes(tmp_path / "data", count=2)
    assert codes(folder, budget=1.0) == set()
    assert codes(folder, budget=1e-6) == {"size"}


def test_processes_find_what_one_finds(tmp_path):
    folder = volumes(tmp_path / "data")
    damages.VOLUMES["flipped_bit"][1](folder, 7)
    damages.VOLUMES["mask_elsewhere"][1](folder, 2)
    one, two = (verify(folder, workers=workers, progress=False) for workers in (1, 2))
    assert one.findings == two.findings and len(one.fatal) == 2
    assert [each.case for each in one.facts] == [each.case for each in two.facts]

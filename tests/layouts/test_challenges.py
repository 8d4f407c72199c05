"""The layouts in which people have data, generated small: the reading, the parts, the labels, what is left out."""

import json
from collections import Counter
from pathlib import Path

import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.layouts import grouped, left_out, list_cases
from tests.small_data import series


def read(data, **options):
    """The listing as `init` makes it, and the numbers of files that are left out, by the reason."""
    lost = []
    listing = grouped(list_cases(data.root, lost=lost, **options))
    return listing, {reason: len(files) for reason, files in left_out(listing, lost).items()}


# --- one function for each layout: it writes, and says what is to be read


def nnunet(data):
    for i in range(3):
        for channel in range(2):
            data.volume(f"imagesTr/case_{i}_{channel:04}.nrrd")
        data.voxel_mask(f"labelsTr/case_{i}.nrrd")
    data.volume("imagesTs/case_9_0000.nrrd")
    names = {"background": 0, "liver": 1, "ignore": 2}
    data.text("dataset.json", json.dumps({"labels": names, "channel_names": {"0": "T1", "1": "T2"}}))
    return {
        "layout": "nnU-Net's raw data", "cases": 3, "files": 3, "names": {0: "background", 1: "liver"}, "ignored": 2,
        "channels": ("T1", "T2"), "endings": ("0000", "0001"), "left": {"no case lists it": 1},
    }  # fmt: skip


def nnunet_with_a_test(data):
    for part, numbers in (("Tr", (0, 1)), ("Ts", (7,))):
        for i in numbers:
            data.volume(f"images{part}/c_{i}_0000.nii.gz")
            data.voxel_mask(f"labels{part}/c_{i}.nii.gz")
    return {"layout": "nnU-Net's raw data", "cases": 3, "files": 2, "parts": {"train": 2, "test": 1}}


def regions(data):
    data.volume_pairs(2, "imagesTr/c{i}_0000.nii.gz", "labelsTr/c{i}.nii.gz")
    names = {"background": 0, "whole": [1, 2], "core": [2]}
    data.text("dataset.json", json.dumps({"labels": names, "regions_class_order": [1, 2]}))
    return {
        "layout": "nnU-Net's raw data", "cases": 2, "files": 2, "names": {0: "background"},
        "regions": {"whole": (1, 2), "core": (2,)}, "order": (1, 2),
    }  # fmt: skip


def kits(data):
    for i in range(3):
        data.volume(f"case_{i:05}/imaging.nii.gz")
        data.voxel_mask(f"case_{i:05}/segmentation.nii.gz")
    data.text("kits.json", "[]")
    data.text("README.md", "")
    left = {"no image (.json)": 1, "no image (.md)": 1}
    return {"layout": "a folder per case", "cases": 3, "files": 2, "channels": ("imaging",), "left": left}


def brats(data):
    for i in range(3):
        name = f"BraTS20_Training_{i:03}"
        for role in ("flair", "t1", "t1ce", "t2"):
            data.volume(f"{name}/{name}_{role}.nii.gz")
        data.voxel_mask(f"{name}/{name}_seg.nii.gz", value=4)
    data.text("name_mapping.csv", "Grade,BraTS_2020_subject_ID\nHGG,BraTS20_Training_000\nLGG,BraTS20_Training_001\n")
    return {
        "layout": "a folder per case", "cases": 3, "files": 5, "channels": ("flair", "t1", "t1ce", "t2"),
        "left": {"no image (.csv)": 1},
    }  # fmt: skip


def brats_2023_in_parts(data):
    for part, count in (("train", 3), ("validation", 1)):
        for i in range(count):
            name = f"BraTS-GLI-0000{i}-00{len(part)}"
            for role in ("t1c", "t2w"):
                data.volume(f"{part}/{name}/{name}-{role}.nii.gz")
            data.voxel_mask(f"{part}/{name}/{name}-seg.nii.gz")
    return {
        "layout": "a folder per case", "cases": 4, "files": 3, "channels": ("t1c", "t2w"),
        "parts": {"train": 3, "validation": 1},
    }  # fmt: skip


def a_case_without_a_modality(data):
    kits(data)
    data.volume("case_00009/imaging.nii.gz")
    left = {"its case has no segmentation": 1, "no image (.json)": 1, "no image (.md)": 1}
    return {"layout": "a folder per case", "cases": 3, "files": 2, "channels": ("imaging",), "left": left}


def amos(data):
    for part, folder, count in (("training", "Tr", 3), ("validation", "Va", 1)):
        data.volume_pairs(count, f"images{folder}/{part}_{{i}}.nii.gz", f"labels{folder}/{part}_{{i}}.nii.gz")
    entries = {
        part: [{"image": f"./images{folder}/{part}_{i}.nii.gz", "label": f"./labels{folder}/{part}_{i}.nii.gz"}
               for i in range(count)]
        for part, folder, count in (("training", "Tr", 3), ("validation", "Va", 1))
    }  # fmt: skip
    data.volume("imagesTs/x.nii.gz")
    names = {"0": "background", "1": "spleen", "2": "right kidney"}
    data.text("dataset.json", json.dumps({"labels": names, **entries, "test": [{"image": "./imagesTs/x.nii.gz"}]}))
    return {
        "layout": "Decathlon", "cases": 4, "files": 2, "parts": {"train": 3, "validation": 1},
        "names": {0: "background", 1: "spleen", 2: "right kidney"}, "left": {"no case lists it": 1},
    }  # fmt: skip


def bids(data):
    for i in range(4):
        data.volume(f"sub-{i:02}/anat/sub-{i:02}_T1w.nii.gz")
        data.volume(f"sub-{i:02}/anat/sub-{i:02}_FLAIR.nii.gz")
        data.voxel_mask(f"derivatives/lesions/sub-{i:02}/anat/sub-{i:02}_FLAIR_mask.nii.gz")
    data.text("participants.tsv", "participant_id\tage\nsub-00\t40\n")
    data.text("dataset_description.json", "{}")
    left = {"no case lists it": 4, "no image (.tsv)": 1, "no image (.json)": 1}
    return {"layout": "BIDS with derivatives", "cases": 4, "files": 2, "groups": 4, "left": left}


def ham10000(data):
    rows = ["lesion_id,image_id,dx,age,sex"]
    for i in range(8):
        data.photo(f"HAM10000_images_part_{1 + i % 2}/ISIC_{i:07}.jpg")
        data.mask(f"HAM10000_segmentations/ISIC_{i:07}_segmentation.png")
        rows.append(f"HAM_{i // 2},ISIC_{i:07},{('mel', 'nv')[i % 2]},{40 + i},male")
    data.text("HAM10000_metadata.csv", "\n".join(rows))
    return {
        "layout": "the table HAM10000_metadata.csv", "cases": 8, "files": 1, "labels": {"mel": 4, "nv": 4}, "groups": 4,
        "other": ("masks beside their images", "--layout pairs"), "left": {"no case lists it": 8},
    }  # fmt: skip


def patients_as_folders(data):
    for name in ("neg", "pos"):
        for patient in range(3):
            for i in range(2):
                data.photo(f"{name}/{name}_patient{patient}/slice_{i:03}.png")
    return {"layout": "a folder per class", "cases": 12, "files": 1, "labels": {"neg": 6, "pos": 6}, "groups": 6}


def patients_by_letters(data):
    for patient in range(4):
        for letter in "ab":
            data.photo(f"{('ill', 'well')[patient % 2]}/P{patient:02}{letter}.png")
    return {"layout": "a folder per class", "cases": 8, "files": 1, "labels": {"ill": 4, "well": 4}, "groups": 4}


def windows_table(data):
    rows = ["Image,Grade"]
    for i in range(6):
        data.photo(f"left/im{i:02}.png")
        rows.append(rf"Left\IM{i:02}.JPG,{('mild', 'severe')[i % 2]}")
    rows.append(r"left\im99.png,mild")
    data.photo("left/extra.png")
    data.text("labels.csv", "\n".join(rows))
    left = {"labels.csv names it, but there is no such file": 1, "no case lists it": 1}
    return {"layout": "the table labels.csv", "cases": 6, "files": 1, "labels": {"mild": 3, "severe": 3}, "left": left}


def table_in_a_subfolder(data):
    rows = ["file\tdiagnosis"]
    for i in range(4):
        data.photo(f"scans/{i}.png")
        rows.append(f"{i}\t{'ab'[i % 2]}")
    data.text("tables/truth.tsv", "\n".join(rows))
    return {"layout": "the table truth.tsv", "cases": 4, "files": 1, "labels": {"a": 2, "b": 2}}


def list_without_a_header(data):
    for i in range(4):
        data.photo(f"scans/{i}.png")
    data.text("train.txt", "".join(f"scans/{i}.png {i % 2}\n" for i in range(4)))
    return {"layout": "the table train.txt", "cases": 4, "files": 1, "labels": {"0": 2, "1": 2}}


def same_names_in_two_folders(data):
    rows = ["image,label"]
    for i in range(4):
        for side in ("left", "right"):
            data.photo(f"eyes/{side}/{i}.png")
            rows.append(f"{side.upper()}/{i}.png,{side}")
    data.text("labels.csv", "\n".join(rows))
    labels = {"left": 4, "right": 4}
    return {"layout": "the table labels.csv", "cases": 8, "files": 1, "labels": labels, "matched": True}


def metadata_beside_class_folders(data):
    rows = ["image,sex,patient_id"]
    for i in range(6):
        data.photo(f"{('benign', 'malignant')[i % 2]}/m{i}x.png")
        rows.append(f"m{i}x,{'MF'[i // 3]},p{i // 2}")
    data.text("metadata.csv", "\n".join(rows))
    return {
        "layout": "a folder per class", "cases": 6, "files": 1, "labels": {"benign": 3, "malignant": 3}, "groups": 3,
        "other": ("the table metadata.csv", "--layout table"), "left": {"no image (.csv)": 1},
    }  # fmt: skip


def every_kind_of_picture(data):
    for i, suffix in enumerate(("png", "jpg", "webp", "jfif", "tif", "bmp")):
        data.photo(f"{'ab'[i % 2]}/x{i}.{suffix}")
    data.text("a/.hidden.png", "")
    data.text("a/array.npy", "")
    left = {"hidden files": 1, ".npy: write the arrays as PNG or NIfTI files first": 1}
    return {"layout": "a folder per class", "cases": 6, "files": 1, "labels": {"a": 3, "b": 3}, "left": left}


def dicom_series(data):
    for name in ("ill", "well"):
        for i in range(2):
            series(data, f"{name}/scan{'xy'[i]}")
    return {"layout": "a folder per class", "cases": 4, "files": 1, "labels": {"ill": 2, "well": 2}}


def slicer(data):
    import numpy as np

    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

    for i in range(3):
        data.volume(f"{i}.nrrd")
        labels = np.zeros((20, 24, 18), np.uint8)
        labels[4:9, 4:9, 4:9] = 1
        write_seg_nrrd(data.root / f"{i}.seg.nrrd", labels, np.diag([1.0, 1, 1.5, 1]), {("liver", "gall")[i // 2]: 1})
    return {
        "layout": "masks beside their images", "cases": 3, "files": 2,
        "names": {0: "background", 1: "liver", 2: "gall"},
    }  # fmt: skip


def segments(data, name, size=(12, 12, 3)):
    """A mask that names its only structure, on the grid of `series`."""
    import numpy as np

    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

    labels = np.zeros(size, np.uint8)
    labels[2:5, 2:5, 1] = 1
    (data.root / name).parent.mkdir(parents=True, exist_ok=True)
    write_seg_nrrd(data.root / name, labels, np.diag([-1.0, -1, 2, 1]), {"tumour": 1})


def slicer_with_layers(data):
    import numpy as np

    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

    labels = np.zeros((20, 24, 18, 2), np.uint8)
    labels[4:9, 4:9, 4:9, 0], labels[5:7, 5:7, 5:7, 1] = 1, 1
    for i in range(3):
        data.volume(f"{i}.nrrd")
        apart = labels if i else labels * np.uint8([1, 0])  # the first file alone would tell nothing
        write_seg_nrrd(data.root / f"{i}.seg.nrrd", apart, np.diag([1.0, 1, 1.5, 1]), ["a", "b"])
    return {
        "layout": "masks beside their images", "cases": 3, "files": 2, "names": {0: "background", 1: "a", 2: "b"},
        "regions": {"a": (1,), "b": (2,)}, "order": (1, 2),
    }  # fmt: skip


TUMOUR = {"layout": "a folder per case", "cases": 3, "files": 2, "names": {0: "background", 1: "tumour"}}


def series_and_segments(data):
    for i in range(3):
        series(data, f"p{i}/ct")
        segments(data, f"p{i}/tumour.seg.nrrd")
    return {**TUMOUR, "channels": ("ct",)}


def series_called_otherwise_in_each_case(data):
    for i in range(3):
        series(data, f"p{i}/1.2.84{i}")
        segments(data, f"p{i}/Segmentation_{i}.seg.nrrd")
    return {**TUMOUR, "channels": ("image",)}


def segments_among_the_slices(data):
    for i in range(3):
        series(data, f"p{i}")
        segments(data, f"p{i}/00.seg.nrrd")
    data.text("p0/report.pdf", "")
    return {**TUMOUR, "channels": ("image",), "left": {"no image (.pdf)": 1}}


def dicom_seg_beside_its_series(data, image="ct", mask="seg.dcm"):
    pytest.importorskip("highdicom")
    from dvpt_monai.formats.dicom_seg import write_dicom_seg
    from tests.formats.test_dicom_seg import LABELS, study

    for i in range(3):
        place = data.root / f"p{i}"
        for path in (place / image, place / mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_dicom_seg(place / mask, LABELS, study(place / image), ["liver", "tumour"])
    names = {0: "background", 1: "liver", 2: "tumour"}
    return {"layout": "a folder per case", "cases": 3, "files": 2, "names": names, "channels": (image,)}


def dicom_seg_in_a_folder_of_its_own(data):
    """As archives unpack: a folder for each study, in it one for each series."""
    return {**dicom_seg_beside_its_series(data, "1.2/1.2.3", "1.2/1.2.4/1-1.dcm"), "channels": ("1.2/1.2.3",)}


def dicom_seg_among_the_slices(data):
    return {**dicom_seg_beside_its_series(data, ".", "mask.dcm"), "channels": ("image",)}


def masks_below_their_images(data):
    data.pairs(3, "{i}.jpg", "masks/{i}.png")
    return {"layout": "pairs of images and masks (masks)", "cases": 3, "files": 2}


def a_folder_of_masks_beside_any_other(data):
    data.pairs(3, "photographs/{i}.jpg", "masks/{i}.png")
    return {"layout": "pairs of images and masks (masks)", "cases": 3, "files": 2}


def pairs_in_several_places(data):
    for place in "ab":
        data.pairs(2, place + "/images/{i}.jpg", place + "/masks/{i}.png")
    other = ("a folder per class: classes a 2, b 2", "--layout folders")
    return {"layout": "pairs of images and masks (a/masks)", "cases": 4, "files": 2, "other": other}


def busi(data):
    """An image may have a second mask, which nobody adds to the first."""
    for name in ("benign", "malignant"):
        for i in range(3):
            data.photo(f"{name}/{name} ({i}).png")
            data.mask(f"{name}/{name} ({i})_mask.png")
    data.mask("benign/benign (1)_mask_1.png")
    left = {"a second mask of its image": 1, "the rest of their case cannot be used": 2}
    return {
        "layout": "masks beside their images", "cases": 5, "files": 2, "left": left,
        "other": ("a folder per class: classes benign 3, malignant 3", "--layout folders"),
    }  # fmt: skip


LAYOUTS = [
    nnunet, nnunet_with_a_test, regions, kits, brats, brats_2023_in_parts, a_case_without_a_modality, amos, bids,
    ham10000, patients_as_folders, patients_by_letters, windows_table, table_in_a_subfolder, list_without_a_header,
    same_names_in_two_folders, metadata_beside_class_folders, every_kind_of_picture, dicom_series, slicer,
    slicer_with_layers, series_and_segments, series_called_otherwise_in_each_case, segments_among_the_slices,
    dicom_seg_beside_its_series, dicom_seg_in_a_folder_of_its_own, dicom_seg_among_the_slices, masks_below_their_images,
    a_folder_of_masks_beside_any_other, pairs_in_several_places, busi,
]  # fmt: skip


@pytest.mark.parametrize("write", LAYOUTS, ids=lambda write: write.__name__)
def test_a_layout(data, write):
    expected = write(data)
    listing, left = read(data)
    assert listing.layout.startswith(expected["layout"])
    assert len(listing.cases) == expected["cases"]
    assert {len(case.files) for case in listing.cases} == {expected["files"]}
    assert Counter(case.part for case in listing.cases) == expected.get("parts", {"": expected["cases"]})
    if "labels" in expected:
        assert Counter(case.label for case in listing.cases) == expected["labels"]
    else:
        assert all(isinstance(case.label, Path) for case in listing.cases)
    assert len({case.group for case in listing.cases} - {""}) == expected.get("groups", 0)
    for field, empty in (("names", {}), ("regions", {}), ("order", ()), ("channels", ()), ("ignored", None)):
        assert getattr(listing, field) == expected.get(field, empty), field
    several = expected["files"] > 2
    assert listing.endings == (expected.get("endings", listing.channels) if several else ())
    assert left == expected.get("left", {})
    others = [(note.text, note.option) for note in listing.notes if "could also be read" in note.text]
    if "other" in expected:
        [(text, option)] = others
        assert expected["other"][0] in text and option == expected["other"][1]
    else:
        assert not others
    if expected.get("matched"):
        assert all(case.image.parent.name == case.label for case in listing.cases)


def test_another_reading_is_chosen_by_its_name(data):
    ham10000(data)
    assert read(data, layout="pairs")[0].task == "segmentation"
    assert read(data, task="segmentation")[0].layout == "masks beside their images"


def test_the_columns_of_a_table_choose_it(data):
    from dvpt_monai.layouts import Columns

    metadata_beside_class_folders(data)
    listing, _ = read(data, columns=Columns(label="sex"))
    assert {case.label for case in listing.cases} == {"M", "F"}


def test_patients_in_two_parts_are_told_and_not_bound(data):
    for part, letter in (("train", "a"), ("test", "b")):
        for patient in range(4):
            data.photo(f"{part}/{('ill', 'well')[patient % 2]}/P{patient:02}{letter}.png")
    listing, _ = read(data)
    assert {case.group for case in listing.cases} == {""}
    assert any(note.warning and "4 patients" in note.text for note in listing.notes)


@pytest.mark.parametrize("names", [["IMG_1_2", "IMG_1_3", "IMG_1_4"], ["a1", "a2", "a3", "b4"], ["x1_a", "y"]])
def test_names_that_tell_no_patients(data, names):
    for number, name in enumerate(names):
        data.photo(f"{'ab'[number % 2]}/{name}.png")
    assert {case.group for case in read(data)[0].cases} == {""}


def test_a_link_that_leads_back_is_entered_once(data):
    data.class_folders(each=2)
    (data.root / "benign" / "again").symlink_to(data.root, target_is_directory=True)
    assert len(read(data)[0].cases) == 4


def test_a_channel_that_is_missing(data):
    nnunet(data)
    (data.root / "imagesTr" / "case_1_0001.nrrd").unlink()
    with pytest.raises(DataError, match=r"case_1_0000.nrrd: its case has no channel 0001"):
        list_cases(data.root)
    listing, left = read(data)
    assert len(listing.cases) == 2 and left["its case has no channel 0001, as others have"] == 1


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"labels": {"0": "background", "1": "liver", "2": "liver"}}, "labels 1 and 2 are both called 'liver'"),
        ({"labels": {"background": 0, "a": [1, 2], "b": [2]}}, r"2 regions \(a, b\), but regions_class_order is \[\]"),
    ],
)
def test_labels_that_cannot_be(data, labels, words):
    data.volume_pairs(2, "imagesTr/c{i}_0000.nii.gz", "labelsTr/c{i}.nii.gz")
    data.text("dataset.json", json.dumps(labels))
    with pytest.raises(DataError, match=words):
        list_cases(data.root)


def test_masks_of_slicer_and_others_do_not_mix(data):
    slicer(data)
    (data.root / "2.seg.nrrd").unlink()
    data.voxel_mask("2_mask.nrrd")
    with pytest.raises(DataError, match=r"2_mask.nrrd: names no segments"):
        list_cases(data.root)


def named(data, *files):
    import numpy as np

    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

    for i, names in enumerate(files):
        data.volume(f"{i}.nrrd")
        labels = np.zeros((20, 24, 18), np.uint8)
        labels[4:9, 4:9, 4:9], labels[10:12, 4:9, 4:9] = 1, 2
        write_seg_nrrd(data.root / f"{i}.seg.nrrd", labels, np.diag([1.0, 1, 1.5, 1]), names)
    return data.root


def test_one_structure_in_two_spellings(data):
    with pytest.raises(DataError, match=r"1\.seg\.nrrd: 'Left kidney' in 1.* and 'left_kidney' in 0.* rename one"):
        list_cases(named(data, ["left_kidney", "liver"], ["Left kidney", "liver"]))
    notes = list_cases(named(data, ["tumor", "liver"], ["tumour", "liver"])).notes
    assert [note.text for note in notes if note.warning] == [
        "no mask has both 'tumour' in 1.seg.nrrd and 'tumor' in 0.seg.nrrd: is it one structure in two spellings?"
    ]
    notes = list_cases(named(data, ["left kidney", "right kidney"], ["right kidney", "liver"])).notes
    assert not [note for note in notes if note.warning]


def test_cases_are_no_classes(data):
    """Where nothing tells the mask from the image; numbered files, as of classes, are another matter."""
    for i in range(3):
        data.volume(f"p{i}/ct.nrrd")
        data.voxel_mask(f"p{i}/tumour.nrrd")
    with pytest.raises(DataError, match="each of its 3 folders holds ct and tumour, as cases do and classes do not"):
        list_cases(data.root)
    for i in range(3):
        (data.root / f"p{i}" / "tumour.nrrd").rename(data.root / f"p{i}" / "tumour_mask.nrrd")
    assert list_cases(data.root).layout == "a folder per case"


def test_classes_may_hold_files_of_the_same_numbers(data):
    for name in ("mild", "moderate", "severe"):
        for i in range(2):
            data.photo(f"{name}/{i}.png")
    assert list_cases(data.root).layout == "a folder per class"


def test_a_list_of_windows(data):
    """Its paths have backslashes, and begin as hidden files do."""
    data.volume_pairs(4)
    entries = [{"image": rf".\imagesTr\{i}.nii.gz", "label": rf".\labelsTr\{i}.nii.gz"} for i in range(4)]
    data.text("dataset.json", json.dumps({"labels": {"0": "background", "1": "a", "2": "b"}, "training": entries}))
    listing, left = read(data)
    assert len(listing.cases) == 4 and not left
    (data.root / "labelsTr" / "3.nii.gz").unlink()
    listing, left = read(data)
    assert len(listing.cases) == 3 and left["dataset.json lists it, but there is no such file"] == 1


def test_a_list_of_hidden_files_alone(data):
    data.volume_pairs(1, "imagesTr/._{i}.nii.gz")
    entries = [{"image": "imagesTr/._0.nii.gz", "label": "labelsTr/0.nii.gz"}]
    data.text("dataset.json", json.dumps({"training": entries}))
    with pytest.raises(DataError, match=r"'training' lists hidden files alone, such as imagesTr/\._0"):
        list_cases(data.root)


def test_an_ambiguous_mask_of_bids(data):
    bids(data)
    data.voxel_mask("derivatives/lesions/sub-00/anat/sub-00_mask.nii.gz")
    with pytest.raises(DataError, match=r"sub-00_FLAIR.nii.gz or sub-00_T1w.nii.gz"):
        list_cases(data.root)


def several_masks_of_a_case(data):
    series_and_segments(data)
    for i in range(3):
        segments(data, f"p{i}/liver.seg.nrrd")


def two_masks_of_every_image(data):
    for i in range(3):
        data.photo(f"{i}.png")
        data.mask(f"{i}_mask.png")
        data.mask(f"{i}_seg.png")


def masks_of_other_names(data):
    for i in range(3):
        data.photo(f"{i}.png")
        data.mask(f"drawing{i}_mask.png")


def masks_without_their_images(data):
    for name in ("benign", "malignant"):
        for i in range(3):
            data.mask(f"{name}/{i}_mask.png")


def a_class_of_segmentations(data):
    for i in range(3):
        data.volume(f"ill/{i}.nrrd")
        segments(data, f"well/x{i}.seg.nrrd")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (several_masks_of_a_case, r"p0/liver.seg.nrrd and .*p0/tumour.seg.nrrd are both masks of one case; merge them"),
        (two_masks_of_every_image, r"0_mask.png and .*0_seg.png are both masks of 0"),
        (masks_of_other_names, r"0.png and .*drawing0_mask.png: .* none of 3 masks has the name of an image"),
        (masks_without_their_images, r"benign: each of its 3 files is a mask .*\(0_mask.png\)"),
        (a_class_of_segmentations, r"ill/0.nrrd and .*well/x0.seg.nrrd: an image and a mask"),
    ],
)
def test_masks_that_fit_no_image(data, write, words):
    write(data)
    for lost in (None, []):  # as a program asks, and as `init` does
        with pytest.raises(DataError, match=words):
            list_cases(data.root, lost=lost)


def test_masks_are_of_no_class(data):
    busi(data)
    listing, left = read(data, layout="folders")
    assert Counter(case.label for case in listing.cases) == {"benign": 3, "malignant": 3}
    assert left == {"no case lists it": 7}


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_class_that_is_called_mask_is_one_where_it_holds_no_masks(data, suffix):
    """Photographs are JPEG, and masks never."""
    for i in range(3):
        data.photo(f"mask/{i if suffix == 'jpg' else f'with{i}'}.{suffix}")
        data.photo(f"none/{i}.{suffix}")
    listing, _ = read(data)
    assert Counter(case.label for case in listing.cases) == {"mask": 3, "none": 3}
    assert any(note.warning and "mask is taken for a class" in note.text for note in listing.notes)

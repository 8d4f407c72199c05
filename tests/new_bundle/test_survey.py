"""Headers, masks and copies are seen as they are, and what does not fit is named."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.layouts import list_cases
from dvpt_monai.new_bundle.masks import values_of
from dvpt_monai.new_bundle.survey import survey


def of(root):
    return survey(list_cases(root))


def test_photographs(data):
    data.class_folders(each=2)
    data.photo("benign/gray.png", size=(60, 70), mode="L")
    found = of(data.root)
    assert (found.dims, found.channels, found.bits, found.size) == (2, 3, 8, (40, 50))
    assert {header.channels for header in found.headers} == {1, 3}
    assert found.window == (0, 255) and not found.hounsfield and found.masks is None


def test_sixteen_bits_are_measured(data):
    """Gray of 12 bits, saved in 16: white is not at 65535."""
    for name in "ab":
        for i in range(2):
            data.photo(f"{name}/{i}.png", mode="I;16")
    found = of(data.root)
    assert found.bits == 16
    from PIL import Image

    values = np.concatenate([np.asarray(Image.open(case.image)).ravel() for case in found.listing.cases])
    low, high = np.percentile(values, (0.5, 99.5))
    scale = found.window[1] / high  # 1, or 255 / 65535 where white is made 255
    assert scale in (pytest.approx(1), pytest.approx(255 / 65535, rel=1e-3))
    assert found.window[0] == pytest.approx(low * scale, abs=1)


def test_volumes_in_ras(data):
    """Sizes and spacings are told along the axes that volumes have after they are turned."""
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 0], affine[2, 1], affine[3, 3] = 2.0, -0.5, 1.0, 1  # the third axis runs to the right
    for name in "ab":
        for i in range(2):
            data.volume(f"{name}/{i}.nii.gz", size=(20, 24, 18), affine=affine)
    found = of(data.root)
    assert found.headers[0].orientation == "PSR"
    assert found.size == (18, 20, 24) and found.spacing == (2.0, 0.5, 1.0) and found.extent == (36, 10, 24)


def test_hounsfield_units_are_known_by_air(data):
    found = of(data.volume_pairs(4, air=True))
    assert found.hounsfield
    assert 100 < found.window[0] < found.window[1] < 260  # of the structures, which are at 150


def test_no_hounsfield_units_without_air(data):
    assert not of(data.volume_pairs(4)).hounsfield


def test_masks_are_counted(data):
    data.pairs(3, value=255)
    data.photo("images/9.jpg")
    data.mask("masks/9.png", value=0)
    masks = of(data.root).masks
    assert masks.values == (0, 255) and masks.cases == {0: 4, 255: 3} and masks.empty == 1
    assert masks.share[255] == pytest.approx(3 * 15 * 18 / (4 * 40 * 50))
    assert masks.read == masks.total == 4


def test_of_many_masks_a_sample_is_read(data, monkeypatch):
    from dvpt_monai.new_bundle import masks

    monkeypatch.setattr(masks, "BUDGET", 3 * 40 * 50)
    found = of(data.pairs(6)).masks
    assert (found.read, found.total) == (3, 6)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_masks_in_every_mode_hold_what_training_reads(data, mode):
    """The values that the survey sees are those that MONAI loads, and `MaskLabelsd` numbers."""
    from monai.transforms import LoadImage
    from PIL import Image

    from dvpt_monai.transforms import MaskLabelsd

    data.mask("m.png", value=255)
    path = data.root / "m.png"
    Image.open(path).convert(mode).save(path)
    values, counts = values_of(path)
    loaded = LoadImage(reader="PILReader", reverse_indexing=False, ensure_channel_first=True)(path)
    labels = MaskLabelsd("label", values)({"label": loaded})["label"]
    assert labels.shape == (1, 40, 50) and labels[0, 5:20, 12:30].min() == 1
    assert counts == [40 * 50 - 270, 270] and int(labels.sum()) == 270


def copied(data, source, target):
    (data.root / target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data.root / source, data.root / target)


def test_copies_stay_together(data):
    data.class_folders(each=3)
    copied(data, "benign/case1.png", "benign/copy.png")
    found = of(data.root)
    groups = {case.image.name: case.group for case in found.listing.cases if case.label == "benign"}
    assert groups["case1.png"] == groups["copy.png"] != "" and groups["case0.png"] == ""
    assert not any(note.warning for note in found.notes)


def test_copies_that_contradict_are_told(data):
    data.class_folders(each=3)
    copied(data, "benign/case1.png", "malign/copy.png")
    (warning, _) = of(data.root).notes
    assert warning.warning and "case1.png and copy.png are the same image with different labels" in warning.text


def test_copies_in_two_parts_are_told(data):
    for part in ("train", "test"):
        data.class_folders(part=part)
    copied(data, "train/benign/train1.png", "test/benign/copy.png")
    (warning, _) = of(data.root).notes
    assert warning.warning and "in test and train" in warning.text


def test_images_of_one_size_are_no_copies(data):
    """Negative control: BMP files of one size all have the same length."""
    for name in "ab":
        for i in range(2):
            data.photo(f"{name}/{i}.bmp")
    assert len({path.stat().st_size for path in data.root.rglob("*.bmp")}) == 1
    assert of(data.root).notes == ()


# --- what is wrong


def mixed_dims(data):
    data.class_folders(each=2)
    data.volume("malign/v.nii.gz")


def mixed_channels(data):
    data.class_folders(each=2, volumes=True)
    data.volume("malign/v.nii.gz", channels=2)


def damaged_photo(data):
    data.class_folders(each=2)
    data.text("malign/broken.png", "no picture")


def damaged_volume(data):
    data.class_folders(each=2, volumes=True)
    data.text("malign/broken.nii.gz", "no volume")


def one_slice(data):
    data.class_folders(each=2, volumes=True)
    data.volume("malign/flat.nii.gz", size=(20, 24, 13))
    path = data.root / "malign/flat.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:, :, :1], image.affine), path)


def pages(data):
    from PIL import Image

    data.class_folders(each=2)
    frames = [Image.new("L", (8, 8), i) for i in range(3)]
    frames[0].save(data.root / "malign/stack.tif", save_all=True, append_images=frames[1:])


def cmyk(data):
    data.class_folders(each=2)
    data.photo("malign/print.jpg", mode="CMYK")


def other_size(data):
    data.pairs(3)
    data.mask("masks/1.png", size=(50, 40))


def other_place(data):
    data.volume_pairs(3)
    data.voxel_mask("labelsTr/1.nii.gz", affine=np.diag([1.0, 1.0, 2.0, 1.0]))


def blurred(data):
    data.pairs(3)
    (data.root / "masks/1.png").unlink()
    data.mask("masks/1.jpg")


def coloured(data):
    data.pairs(3)
    data.photo("masks/1.png")


def gray(data):
    data.pairs(3)
    data.photo("masks/1.png", mode="L")


def fractions(data):
    data.volume_pairs(3)
    data.volume("labelsTr/1.nii.gz")


def all_empty(data):
    data.pairs(3, value=0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
def test_files_that_are_cut_off_are_all_named(data, suffix):
    data.class_folders(each=2)
    for i in range(3):
        data.photo(f"benign/whole{i}.{suffix}")
    assert len(of(data.root).headers) == 7
    for i in range(2):
        path = data.root / f"benign/whole{i}.{suffix}"
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match="2 files cannot be read; replace them or move them away") as raised:
        of(data.root)
    assert [f"whole{i}.{suffix}" in str(raised.value) for i in range(3)] == [True, True, False]
    (data.root / f"benign/whole0.{suffix}").unlink()
    with pytest.raises(DataError, match=f"whole1.{suffix}: cannot be read"):
        of(data.root)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (mixed_dims, r"case0.png is 2D, but .*v.nii.gz is 3D"),
        (mixed_channels, r"case0.nii.gz has 1 channel\(s\), but .*v.nii.gz has 2"),
        (damaged_photo, "broken.png: cannot be read"),
        (damaged_volume, "broken.nii.gz: cannot be read"),
        (one_slice, "flat.nii.gz: a NIfTI file of a single slice; save it as PNG"),
        (pages, "stack.tif: it holds 3 pages"),
        (cmyk, "print.jpg: its colours are CMYK"),
        (other_size, r"masks/1.png is 50 x 40, but .*images/1.jpg is 40 x 50"),
        (other_place, r"labelsTr/1.nii.gz and .*imagesTr/1.nii.gz lie in different places"),
        (blurred, "1.jpg: a mask saved as JPEG"),
        (coloured, "1.png: a coloured mask"),
        (gray, "1.png: .* different values"),
        (fractions, "1.nii.gz: value .* is not a whole number"),
        (all_empty, "all masks are empty"),
    ],
)
def test_what_is_wrong_is_named(data, make, words):
    make(data)
    with pytest.raises(DataError, match=words):
        of(data.root)

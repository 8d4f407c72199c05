"""Headers, masks and copies are seen as they are, and what does not fit is named."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.layouts import list_cases
from dvpt_monai.new_bundle.survey import survey
from tests.small_data import AFFINE


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
    assert masks.present == (frozenset({255}),) * 3 + (frozenset(),)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_masks_in_every_mode_hold_what_training_reads(data, mode):
    """The values that the survey sees are those that are loaded, and `MaskLabelsd` numbers."""
    from monai.transforms import EnsureChannelFirst
    from PIL import Image

    from dvpt_monai.transforms import LoadImaged, MaskLabelsd

    data.pairs(2, value=255)
    for path in (data.root / "masks").iterdir():
        Image.open(path).convert(mode).save(path)
    masks = of(data.root).masks
    loaded = EnsureChannelFirst()(LoadImaged("label")({"label": str(data.root / "masks" / "1.png")})["label"])
    labels = MaskLabelsd("label", masks.values)({"label": loaded})["label"]
    assert labels.shape == (1, 40, 50) and labels[0, 5:20, 12:30].min() == 1
    assert masks.share[masks.values[1]] == pytest.approx(270 / 2000) and int(labels.sum()) == 270


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
    with pytest.raises(DataError, match="2 files would spoil a training; replace them or move them away") as raised:
        of(data.root)
    assert [f"whole{i}.{suffix}" in str(raised.value) for i in range(3)] == [True, True, False]
    (data.root / f"benign/whole0.{suffix}").unlink()
    with pytest.raises(DataError, match=f"whole1.{suffix}: .*--leave-out"):
        of(data.root)


def test_faulty_cases_are_left_out_when_asked(data):
    damaged_photo(data)
    found = survey(list_cases(data.root), leave_out=True)
    assert len(found.listing.cases) == len(found.headers) == 4
    [(reason, files)] = found.aside.items()
    assert "cannot be read" in reason and [path.name for path in files] == ["broken.png"]


def test_a_mask_at_the_place_of_its_image_may_be_stored_flipped(data):
    """Its voxels are elsewhere in the file, and where they belong in millimetres."""
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 19  # the last voxel of 20
    data.volume_pairs(3)
    data.voxel_mask("labelsTr/1.nii.gz", affine=flipped)
    assert of(data.root).masks.values == (0, 1)
    data.voxel_mask("labelsTr/1.nii.gz", affine=AFFINE @ np.diag([-1.0, 1, 1, 1]))
    with pytest.raises(DataError, match=r"1.nii.gz: image and mask lie in different places"):
        of(data.root)


def test_channels_of_a_case_lie_in_one_grid(data):
    for i in range(2):
        for channel in range(2):
            data.volume(f"imagesTr/c{i}_{channel:04}.nii.gz")
        data.voxel_mask(f"labelsTr/c{i}.nii.gz")
    assert of(data.root).channels == 2
    data.volume("imagesTr/c1_0001.nii.gz", affine=AFFINE @ np.diag([1.0, 1, 2, 1]))
    with pytest.raises(DataError, match=r"c1_0001.nii.gz: channels of one case in different grids"):
        of(data.root)


def test_an_ignored_value_is_no_structure(data):
    data.volume_pairs(4, "imagesTr/c{i}_0000.nii.gz", "labelsTr/c{i}.nii.gz")
    data.text("dataset.json", '{"labels": {"background": 0, "liver": 1, "ignore": 2}}')
    masks = of(data.root).masks
    assert masks.values == (0, 1) and masks.empty == 2 and masks.present[1] == frozenset()


def test_re_encoded_copies_stay_together(data):
    from PIL import Image

    for i in range(6):
        data.photo(f"{'ab'[i % 2]}/{i}.png", size=(90, 120), bright=i)
    Image.open(data.root / "a" / "0.png").save(data.root / "a" / "again.jpg", quality=90)
    groups = {case.image.name: case.group for case in of(data.root).listing.cases}
    assert groups["0.png"] == groups["again.jpg"] != "" and {groups[f"{i}.png"] for i in range(1, 6)} == {""}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (mixed_dims, r"case0.png is 2D, but .*v.nii.gz is 3D"),
        (mixed_channels, r"case0.nii.gz has 1 channel\(s\), but .*v.nii.gz has 2"),
        (damaged_photo, "broken.png: cannot be read"),
        (damaged_volume, "broken.nii.gz: compressed data are damaged"),
        (one_slice, "flat.nii.gz: a volume of a single slice; save it as PNG"),
        (pages, r"stack.tif: several pages in one file \(3 pages\)"),
        (other_size, r"masks/1.png: image and mask differ in size \(50 x 40, the image 40 x 50\)"),
        (other_place, r"labelsTr/1.nii.gz: image and mask lie in different places"),
        (blurred, "1.jpg: a mask with lossy compression"),
        (coloured, "1.png: a coloured mask"),
        (gray, "1.png: so many values that it is hardly a mask"),
        (fractions, "1.nii.gz: values that are no whole numbers"),
        (all_empty, "all masks are empty"),
    ],
)
def test_what_is_wrong_is_named(data, make, words):
    make(data)
    with pytest.raises(DataError, match=words):
        of(data.root)


def test_colours_for_printing_are_read(data):
    cmyk(data)
    assert of(data.root).channels == 3

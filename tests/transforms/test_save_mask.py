import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImaged, SaveImaged
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.transforms import SaveMaskd


def mask_of(source, shape=(1, 4, 6)):
    values = torch.arange(int(np.prod(shape))).reshape(shape)
    return {"pred": MetaTensor(values.float(), meta={"filename_or_obj": str(source)})}


def test_rows_and_columns_stay_where_a_photograph_has_them(tmp_path):
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).save(tmp_path / "a.png")
    case = LoadImaged("pred", reader="PILReader", reverse_indexing=False, ensure_channel_first=True)(
        {"pred": tmp_path / "a.png"}
    )
    assert SaveMaskd("pred", tmp_path / "out")(case)["pred"] is case["pred"]
    assert np.array_equal(Image.open(tmp_path / "out" / "a_seg.png"), Image.open(tmp_path / "a.png"))
    SaveImaged("pred", output_dir=tmp_path / "monai", output_ext=".png", separate_folder=False, print_log=False)(case)
    (monai,) = (tmp_path / "monai").iterdir()
    assert Image.open(monai).size == (4, 6)  # the reason for a class of our own


def test_two_images_of_one_name_are_refused(tmp_path):
    save = SaveMaskd("pred", tmp_path)
    save(mask_of("left/a.png"))
    save(mask_of("left/a.png"))
    with pytest.raises(DataError, match=r"right/a.png and left/a.png"):
        save(mask_of("right/a.png"))


def test_tools_that_write_results_themselves_leave_it_out():
    assert issubclass(SaveMaskd, SaveImaged)


def test_labels_over_255_get_16_bits_and_others_are_refused(tmp_path):
    mask = MetaTensor(torch.full((1, 2, 3), 300.0), meta={"filename_or_obj": "a.png"})
    SaveMaskd("pred", tmp_path)({"pred": mask})
    assert (np.asarray(Image.open(tmp_path / "a_seg.png")) == 300).all()
    for wrong in (-1, 70000, 0.5, np.nan):
        with pytest.raises(DataError, match=r"a\.png: labels"):
            SaveMaskd("pred", tmp_path)({"pred": torch.full_like(mask, wrong)})

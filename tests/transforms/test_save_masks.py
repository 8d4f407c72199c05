import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImaged
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.transforms import LabelMapd, SaveImageMasksd


def mask(name, channels=2):
    values = torch.rand(channels, 5, 8).round()
    return MetaTensor(values, meta={"filename_or_obj": f"/eyes/{name}"})


def test_each_channel_is_a_file(tmp_path):
    save = SaveImageMasksd("pred", tmp_path / "out", ["MA", "EX"])
    for name in ("a.jpg", "b.2.png"):
        case = {"pred": mask(name)}
        assert torch.equal(save(case)["pred"], case["pred"])
        for place, structure in enumerate(("MA", "EX")):
            written = Image.open(tmp_path / "out" / f"{name.rpartition('.')[0]}_{structure}.png")
            assert written.mode == "L"
            np.testing.assert_array_equal(np.asarray(written), 255 * case["pred"][place].numpy())
    save({"pred": mask("a.jpg")})  # again is no other image
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_what_would_be_lost_is_refused(tmp_path):
    save = SaveImageMasksd("pred", tmp_path, ["MA", "EX"])
    save({"pred": mask("a.jpg")})
    with pytest.raises(DataError, match=r"a\.png and /eyes/a\.jpg have one name"):
        save({"pred": mask("a.png")})
    with pytest.raises(DataError, match="3 channels"):
        save({"pred": mask("c.jpg", channels=3)})


@pytest.mark.parametrize("names", [["../MA", "EX"], ["a\\b", "EX"], ["/MA", "EX"], ["", "EX"], ["MA", "MA"]])
def test_a_name_that_leads_elsewhere_or_comes_twice_is_refused(tmp_path, names):
    """An adapter tells them, and that may be a stranger's."""
    with pytest.raises(DataError, match="structures"):
        SaveImageMasksd("pred", tmp_path / "out", names)


def test_tools_that_write_results_themselves_know_it():
    """MONAI Label looks at the class, MONAI Deploy at the name."""
    assert issubclass(SaveImageMasksd, SaveImaged) and "SaveImage" in SaveImageMasksd.__name__


def test_a_label_map_shows_the_first_of_what_overlaps():
    masks = mask("a.jpg", channels=3)
    labels = LabelMapd("pred")({"pred": masks})["pred"]
    expected = np.zeros((5, 8), np.uint8)
    for place in (2, 1, 0):
        expected[masks[place].numpy() > 0] = place + 1
    np.testing.assert_array_equal(labels.numpy(), expected[None])
    assert labels.dtype == torch.uint8 and labels.meta["filename_or_obj"] == "/eyes/a.jpg"
    assert len(np.unique(expected)) == 4

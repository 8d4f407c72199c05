"""NRRD, MetaImage and DICOM are read as training reads them."""

import json

import pydicom.data
import pytest
import SimpleITK as sitk

from dvpt_monai.verify import verify
from tests.verify import damages
from tests.verify.data_sets import volumes


@pytest.fixture(params=[".nrrd", ".mha"])
def listed(request, tmp_path):
    """The list of a data set in another format, and its masks."""
    folder = volumes(tmp_path / "data", count=3)
    entries = json.loads((folder / "dataset.json").read_text())["training"]
    for entry in entries:
        for key, file in entry.items():
            entry[key] = file.replace(".nii.gz", request.param)
            sitk.WriteImage(sitk.ReadImage(str(folder / file)), str(folder / entry[key]), True)
            (folder / file).unlink()  # one name with two endings would be told
    (folder / "list.json").write_text(json.dumps(entries))
    return folder / "list.json"


def findings(data):
    return [(each.kind.code, each.file.name) for each in verify(data, workers=1, progress=False).findings]


def test_clean(listed):
    assert findings(listed) == []


def test_a_mask_elsewhere(listed):
    path = damages.mask(listed.parent, 1).parent / json.loads(listed.read_text())[1]["label"].split("/")[1]
    mask = sitk.ReadImage(str(path))
    mask.SetOrigin((0.0, 0.0, 99.0))
    sitk.WriteImage(mask, str(path))
    assert findings(listed) == [("place", path.name)]


def test_cut_off(listed):
    path = listed.parent / json.loads(listed.read_text())[1]["image"]
    path.write_bytes(path.read_bytes()[:-300])
    assert findings(listed) == [("unreadable", path.name)]


def test_dicom(tmp_path):
    path = pydicom.data.get_testdata_file("CT_small.dcm")
    (tmp_path / "list.txt").write_text(str(path) + "\n")
    report = verify(tmp_path / "list.txt", workers=1, progress=False)
    assert report.findings == () and report.facts[0].image.size == (128, 128)

"""A bit flipped in a compressed volume never passes in silence: it is found, or nothing that is read has changed."""

import nibabel as nib
import numpy as np
import pytest

from dvpt_monai.verify.case import Case
from dvpt_monai.verify.inspect import inspect
from tests.verify.data_sets import volumes


def silent_flips(folder, count, seed=0):
    rng = np.random.default_rng(seed)
    volumes(folder, count=1)
    case = Case(folder / "imagesTr/v000.nii.gz", (folder / "labelsTr/v000.nii.gz",))
    assert inspect(case, {0: "background", 1: "head", 2: "tail"}).findings == ()
    silent = []
    for turn in range(count):
        path = (case.image, *case.masks)[turn % 2]
        whole = path.read_bytes()
        original = nib.load(path)
        values, affine = np.asanyarray(original.dataobj), original.affine
        place, bit = int(rng.integers(len(whole))), int(rng.integers(8))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        named = {finding.file for finding in inspect(case, {0: "background", 1: "head", 2: "tail"}).findings}
        if path not in named:
            read = nib.load(path)
            same = np.array_equal(np.asanyarray(read.dataobj), values) and np.array_equal(read.affine, affine)
            silent += [] if same else [(path.name, place, bit)]
        path.write_bytes(whole)
    return silent


def test_a_hundred_flips(tmp_path):
    assert silent_flips(tmp_path / "data", 100) == []


@pytest.mark.slow
def test_a_thousand_flips(tmp_path):
    assert silent_flips(tmp_path / "data", 1000, seed=1) == []


def test_nibabel_alone_would_let_them_pass(tmp_path):
    """The negative control: the same flips, with a reader that stops before the checksum."""
    path = volumes(tmp_path / "data", count=1) / "imagesTr/v000.nii.gz"
    whole = path.read_bytes()
    passed = 0
    for place in range(100, len(whole) - 100, len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        try:
            passed += np.asanyarray(nib.load(path).dataobj).size > 0
        except Exception:  # whatever nibabel stumbles over
            continue
    assert passed > 10

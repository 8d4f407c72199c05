"""Damaged and made-up inputs: each is read as what it was, or refused by an error of ours that names the reason.

2,000 inputs in the ordinary run; ``pytest -m fuzz`` tries 100,000.
"""

import json
import warnings
from functools import partial

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from dvpt_monai import DVPT, ViTClassifier, ViTEncoder, load_pretrained, save_adapter, tune
from dvpt_monai.checkpoints import read_state, save_state, serialized
from dvpt_monai.data import read_csv, read_decathlon
from dvpt_monai.errors import DvptError
from dvpt_monai.ship.audit.configs import audit_configs
from dvpt_monai.torch_file import read_torch_file
from dvpt_monai.transforms import LoadImaged
from dvpt_monai.tuning.header import read_adapter

INPUTS = {
    **{"adapter": 400, "checkpoint": 250, "state": 100, "backbone": 100, "config": 300, "table": 250, "list": 200},
    **{"nifti": 150, "compressed nifti": 100, "nrrd": 100, "dicom": 50},
}
"""Of each kind, in the ordinary run."""


def tried(kind, times, strategy, judge):
    """Hand so many inputs of a kind to a judge, the same in every run."""
    every = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    quiet = settings(
        max_examples=INPUTS[kind] * times, deadline=None, database=None, derandomize=True, suppress_health_check=every
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that read headers
        quiet(given(strategy)(judge))()


def fuzzed(function):
    return pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.fuzz)])(function)


def damaged(content):
    """Content of a file with some bytes changed, a piece cut out or put in."""
    place = st.integers(0, len(content))
    change = st.tuples(place, st.integers(0, 8), st.binary(max_size=8))
    return st.lists(change, min_size=1, max_size=3).map(partial(changed, content))


def changed(content, changes):
    for place, cut, put in changes:
        content = content[:place] + put + content[place + cut :]
    return content


def reads_equal_or_refuses(path, read, same):
    """A judge of damaged contents of a file."""
    expected = read(path)

    def judge(content):
        path.write_bytes(content)
        try:
            values = read(path)
        except DvptError as error:
            assert str(error)
        else:
            assert same(values, expected), "read as something else"

    return judge


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@fuzzed
def test_adapters(tmp_path, times):
    network = ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                            num_layers=1, num_heads=1)  # fmt: skip
    path = save_adapter(tune(network, DVPT(num_prompts=1, bottleneck=1)), tmp_path / "adapter.safetensors")
    judge = reads_equal_or_refuses(
        path, read_adapter, lambda one, other: one[0] == other[0] and same_tensors(one[1], other[1])
    )
    tried("adapter", times, damaged(path.read_bytes()), judge)


@fuzzed
def test_checkpoints(tmp_path, times):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(8, 8).state_dict(), path)
    judge = reads_equal_or_refuses(path, read_torch_file, same_tensors)
    tried("checkpoint", times, damaged(path.read_bytes()), judge)


@fuzzed
def test_states(tmp_path, times):
    path = save_state(tmp_path, 1, 1, serialized({"network": torch.arange(9), "epoch": 3}))
    judge = reads_equal_or_refuses(path, lambda path: read_state(path)["network"], torch.equal)
    tried("state", times, damaged(path.read_bytes()), judge)


@fuzzed
def test_backbones(tmp_path, times):
    sizes = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 8, "mlp_dim": 8, "num_layers": 1}
    path = tmp_path / "vit.safetensors"
    save_file(ViTEncoder(num_heads=1, **sizes).state_dict(), path)

    def judge(content):
        path.write_bytes(content)
        try:
            load_pretrained(ViTEncoder(num_heads=1, **sizes), path)  # which has no checksum
        except DvptError as error:
            assert str(error)

    tried("backbone", times, damaged(path.read_bytes()), judge)


WORDS = st.sampled_from(
    ["_target_", "_mode_", "os.system", "monai.data.Dataset", "$@a#b + 1", "$open('x')", "%train.json", "$import os",
     "@network", "$(", "$[x for x in @y]", "$__import__('os')", "+a#_target_"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | WORDS, inner, max_size=3),
    max_leaves=8,
)


@fuzzed
def test_configs(times):
    def judge(value):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        findings = audit_configs({"configs/train.json": text, "configs/other.yaml": text})
        dangerous = b'"_target_": "os.system"' in text or b': "$__import__' in text
        assert not dangerous or any(finding.refused for finding in findings)

    tried("config", times, VALUES | st.binary(max_size=40), judge)


CELLS = st.sampled_from(
    ["image", "dr_grade", "split", "a.png", "b.png", "0", "1", "train", "", "nan", '"', "x,y", "\0"]
)


@fuzzed
def test_tables(tmp_path, times):
    path = tmp_path / "labels.csv"
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    rows = st.lists(st.lists(CELLS | st.text(max_size=4), max_size=4).map(",".join), max_size=5)

    def judge(content):
        path.write_bytes(content)
        try:
            cases = read_csv(path, num_classes=2)
        except DvptError as error:
            assert "labels.csv" in str(error)
        else:
            assert all(case["label"] in (0, 1) for case in cases)

    header = rows.map(lambda lines: "\n".join(["image,dr_grade,split", *lines]).encode("utf-8", "surrogatepass"))
    tried("table", times, header | st.binary(max_size=60), judge)


@fuzzed
def test_lists(tmp_path, times):
    path = tmp_path / "dataset.json"
    case = st.fixed_dictionaries({"image": st.text(max_size=5), "label": st.text(max_size=5)})
    lists = st.fixed_dictionaries({"training": st.lists(case | VALUES, max_size=3) | VALUES, "labels": VALUES})

    def judge(value):
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        try:
            read_decathlon(path)
        except DvptError as error:
            assert "dataset.json" in str(error)

    tried("list", times, lists | VALUES | st.binary(max_size=40), judge)


LOAD = LoadImaged("image")


def image(path):
    return np.asarray(LOAD({"image": str(path)})["image"])


def volume():
    return np.random.default_rng(0).integers(0, 200, (6, 5, 4)).astype(np.uint8)


def loads_or_refuses(path):
    """A judge of damaged headers, which have no checksum: what is read has numbers for voxels."""

    def judge(content):
        path.write_bytes(content)
        try:
            values = image(path)
        except DvptError as error:
            assert path.name in str(error)
        else:
            assert values.size and np.isfinite(values).all()

    return judge


def header_of(content, length):
    return damaged(content[:length]).map(lambda header: header + content[length:])


@fuzzed
def test_nifti_headers(tmp_path, times):
    path = tmp_path / "brain.nii"
    nib.save(nib.Nifti1Image(volume(), np.diag([1.0, 1, 2, 1])), path)
    tried("nifti", times, header_of(path.read_bytes(), 352), loads_or_refuses(path))


@fuzzed
def test_compressed_nifti(tmp_path, times):
    path = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(volume(), np.diag([1.0, 1, 2, 1])), path)
    judge = reads_equal_or_refuses(path, image, np.array_equal)
    tried("compressed nifti", times, damaged(path.read_bytes()), judge)


@fuzzed
def test_nrrd_headers(tmp_path, times):
    path = tmp_path / "brain.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(volume()), str(path))
    content = path.read_bytes()
    tried("nrrd", times, header_of(content, content.index(b"\n\n")), loads_or_refuses(path))


@fuzzed
def test_dicom_headers(tmp_path, times):
    path = tmp_path / "slice.dcm"
    sitk.WriteImage(sitk.GetImageFromArray(volume()[:1].astype(np.uint16)), str(path))
    tried("dicom", times, header_of(path.read_bytes(), path.stat().st_size - 40), loads_or_refuses(path))


def test_there_are_two_thousand():
    assert sum(INPUTS.values()) >= 2000

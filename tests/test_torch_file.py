"""Damage to what ``torch.save`` wrote never passes."""

import logging
import random

import pytest
import torch

from dvpt_monai import ViTEncoder, load_pretrained
from dvpt_monai.errors import CheckpointError, PretrainedError
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.torch_file import read_torch_file

FLIPS = 300
SIZES = {"in_channels": 3, "img_size": 32, "patch_size": 8, "hidden_size": 24, "mlp_dim": 48, "num_heads": 2}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    state = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Linear(16, 4)).state_dict()
    torch.save(state, tmp_path / "model.pt")
    return tmp_path / "model.pt", state


def flipped(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    other = path.with_name("flipped.pt")
    other.write_bytes(content)
    return other


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


def altered(path, state, read):
    """How many of the flips were read as something else, and how many were refused."""
    silent = refused = 0
    for bit in random.Random(0).sample(range(8 * path.stat().st_size), FLIPS):
        try:
            silent += not same(read(flipped(path, bit)), state)
        except CheckpointError:
            refused += 1
    return silent, refused


def test_no_flipped_bit_changes_a_value_unnoticed(saved):
    silent, refused = altered(*saved, read_torch_file)
    assert silent == 0 and refused > FLIPS // 3


def test_torch_alone_would_not_notice(saved):
    def plain(path):
        try:
            return torch.load(path, weights_only=True)
        except Exception as error:
            raise CheckpointError(str(error)) from error

    assert altered(*saved, plain)[0] > FLIPS // 10


def test_a_name_in_the_message(saved, tmp_path):
    path, _ = saved
    where = path.read_bytes().index(torch.load(path, weights_only=True)["0.weight"].numpy().tobytes())
    with pytest.raises(CheckpointError, match=r"flipped\.pt is damaged: the checksum of .*data/\d in it is wrong"):
        read_torch_file(flipped(path, 8 * where))
    with pytest.raises(CheckpointError, match="no such file"):
        read_torch_file(tmp_path / "gone.pt")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        read_torch_file(path)


def test_what_has_no_checksum_is_read_and_that_is_logged(saved, caplog):
    path, state = saved
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with caplog.at_level(logging.WARNING):
        assert same(read_torch_file(path), state)
    assert "no checksums" in caplog.text


class TestBackbone:
    def write(self, tmp_path, name):
        from safetensors.torch import save_file

        state = ViTEncoder(num_layers=2, **SIZES).state_dict()
        path = tmp_path / name
        save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
        return path

    def damage(self, path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def load(self, path):
        return load_pretrained(ViTEncoder(num_layers=2, **SIZES), path)

    def test_a_file_with_checksums_of_its_own(self, tmp_path):
        path = self.write(tmp_path, "vit.pt")
        self.load(path)
        self.damage(path)
        with pytest.raises(PretrainedError, match=r"vit\.pt .*checksum"):
            self.load(path)

    def test_a_file_with_its_sha256_beside_it(self, tmp_path, caplog):
        path = self.write(tmp_path, "vit.safetensors")
        with caplog.at_level(logging.INFO):
            self.load(path)
        assert "no checksum" in caplog.text
        caplog.clear()
        path.with_name("vit.safetensors.sha256").write_text(f"{sha256_of(path)}  vit.safetensors\n")
        with caplog.at_level(logging.INFO):
            self.load(path)
        assert "no checksum" not in caplog.text
        self.damage(path)
        with pytest.raises(PretrainedError, match=r"vit\.safetensors\.sha256 beside it says"):
            self.load(path)

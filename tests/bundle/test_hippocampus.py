"""What the hippocampus bundle has of its own: how a network of images reads its volumes."""

import nibabel as nib
import numpy as np
import pytest
import torch

from dvpt_monai import UNETR, read_header
from dvpt_monai.errors import DvptError, reason

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.bundle
@pytest.mark.parametrize("way", ["slices", pytest.param("planes", marks=pytest.mark.slow)])
def test_what_comes_after_a_training_reads_volumes_as_it_did(hippocampus, tmp_path, caplog, way):
    folders = {"models_dir": str(tmp_path), "output_dir": str(tmp_path / "output")}
    hippocampus.run("train", volume=way, **folders)
    assert read_header(tmp_path / "adapter.safetensors")["settings"]["volume"] == way
    network = hippocampus.run("train", "evaluate", **folders).parser.get_parsed_content("network")
    assert isinstance(network, UNETR)
    assert (network.reads_slices, bool(network.vit.planes)) == (way == "slices", way == "planes")
    assert len(network.vit.img_size) == (2 if way == "slices" else 3)
    case = sorted((hippocampus.data / "imagesTr").glob("*.nii.gz"))[0]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / case.name).write_bytes(case.read_bytes())
    after = {"dataset_dir": str(tmp_path / "in"), "checkpoint": str(tmp_path / "model.pt")}
    hippocampus.run("inference", **after, output_dir=str(tmp_path / "masks"))
    mask = next((tmp_path / "masks").rglob("*_seg.nii.gz"))
    assert nib.load(mask).shape == nib.load(case).shape and set(np.unique(nib.load(mask).dataobj)) <= {0, 1, 2}
    assert not [record for record in caplog.records if "was trained with" in record.message]
    with pytest.raises(RuntimeError) as raised:
        hippocampus.run("train", "evaluate", volume="inflate", adapter=str(tmp_path / "adapter.safetensors"), **folders)
    assert isinstance(reason(raised.value), DvptError)
    volume = torch.rand(1, 1, *hippocampus.workflow("train").parser.get_parsed_content("image_size"))
    network = network.float().eval()
    with torch.no_grad():
        expected = network(volume)
        torch.testing.assert_close(torch.jit.script(network)(volume), expected, rtol=1e-4, atol=1e-5)
        exported = torch.export.export(network, (volume,)).module()
        torch.testing.assert_close(exported(volume), expected, rtol=1e-4, atol=1e-5)


def test_a_way_that_there_is_not(hippocampus):
    with pytest.raises(Exception) as raised:
        hippocampus.workflow("train", volume="slice").parser.get_parsed_content("network_def")
    assert str(reason(raised.value)) == "--volume slice: did you mean slices?"


def test_the_default_is_the_network_of_the_last_release(hippocampus):
    network = hippocampus.workflow("train").parser.get_parsed_content("network_def")
    assert not network.reads_slices and network.vit.planes is None and network.vit.depth_embedding is not None

"""Slab by slab a volume gets the very labels that it gets at once."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer

from dvpt_monai.errors import PredictionError
from dvpt_monai.inferers import Autocast
from dvpt_monai.predict.memory import Plan
from dvpt_monai.predict.slabs import Slabs
from dvpt_monai.system_memory import free_memory, peak_memory
from tests.predict.small import TURNED, labels, network, predictor, volume

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def little(monkeypatch):
    """GiB that no volume takes at once, and that suffice in slabs."""
    monkeypatch.setattr(Plan, "fits", property(lambda plan: True))
    return 1e-6


@pytest.mark.parametrize("shape", [(20, 17, 15), (8, 30, 9), (7, 5, 20), (33, 8, 8)])
@pytest.mark.parametrize(
    ("overlap", "batch", "mode"), [(0.25, 3, "gaussian"), (0.5, 1, "constant"), (0, 7, "gaussian")]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_answer_is_bit_by_bit_that_of_monai(shape, overlap, batch, mode, dtype):
    inferer = Autocast(SlidingWindowInferer((8, 9, 10), batch, overlap, mode=mode), dtype)
    torch.manual_seed(1)
    image, net = torch.randn(1, *shape), network()
    with torch.no_grad():
        whole = inferer(image[None], net)[0]
        parts = [part.float() for part in Slabs(inferer, net, torch.device("cpu"))(image)]
    assert torch.equal(torch.cat(parts, dim=1), whole) and max(part.shape[1] for part in parts) <= 4


@pytest.mark.parametrize(
    "spacing", [(1.0, 1.5, 2.0), (1.0, 1.0, 1.0), (2.5, 1.2, 0.9), (0.4, 3.0, 2.0), (9.0, 9.0, 9.0)]
)
@pytest.mark.parametrize("affine", [TURNED, np.diag([1.0, 1.0, 1.0, 1.0]), np.diag([-1.1, 0.9, -2.0, 1.0])])
def test_labels_in_slabs_are_those_at_once(tmp_path, little, spacing, affine):
    volume(tmp_path / "in" / "a.nii.gz", shape=(24, 20, 18), affine=affine)
    for name, memory in (("whole", 64), ("slabs", little)):
        prediction = predictor(tmp_path / "in", tmp_path / name, spacing=spacing, memory=memory)
        calls = []
        prediction.whole_volume.back = spied(prediction.whole_volume.back, calls)
        prediction.run()
        prediction.check()
        assert bool(calls) == (name == "slabs")
    whole, slabs = labels(tmp_path / "whole"), labels(tmp_path / "slabs")
    assert np.array_equal(whole["a_seg.nii.gz"], slabs["a_seg.nii.gz"]) and len(np.unique(whole["a_seg.nii.gz"])) > 1
    assert (tmp_path / "whole" / "a_seg.nii.gz").read_bytes() == (tmp_path / "slabs" / "a_seg.nii.gz").read_bytes()


def spied(back, calls):
    from dvpt_monai.predict.back import Back

    class Spied(Back):
        def labels(self, rows, image):
            calls.append(image)
            return super().labels(rows, image)

    return Spied(**vars(back))


def test_what_fits_in_no_way_is_said_and_the_others_go_on(tmp_path):
    volume(tmp_path / "in" / "large.nii.gz", shape=(40, 40, 40))
    volume(tmp_path / "in" / "small.nii.gz", shape=(8, 8, 8))
    prediction = predictor(tmp_path / "in", tmp_path / "out", memory=0.0004)
    prediction.run()
    assert [*labels(tmp_path / "out")] == ["small_seg.nii.gz"]
    with pytest.raises(
        PredictionError, match=r"large\.nii\.gz.* 3 classes takes .* may be taken; give more with --memory"
    ):
        prediction.check()


def test_a_network_of_nan_is_found_in_slabs(tmp_path, little):
    volume(tmp_path / "in" / "a.nii.gz", shape=(24, 20, 18))
    broken = network()
    torch.nn.init.constant_(broken.bias, np.nan)
    prediction = predictor(tmp_path / "in", tmp_path / "out", net=broken, memory=little)
    prediction.run()
    with pytest.raises(PredictionError, match="the network answers NaN"):
        prediction.check()


def test_the_plan():
    plan = Plan.of((512, 512, 600), (512, 512, 600), 14, (96, 96, 96), 8.0)
    assert plan.divided and plan.fits and plan.slabs < 4 < 17 < plan.whole
    assert not Plan.of((64, 64, 64), (64, 64, 64), 3, (32, 32, 32), 8.0).divided
    assert not Plan.of((512, 512, 600), (512, 512, 600), 14, (96, 96, 96), None).divided
    assert not Plan.of((512, 512, 600), (512, 512, 600), 14, (96, 96, 96), 1.0).fits
    assert 0 < free_memory() < 10_000 and 0 < peak_memory() < 1000


BIG = """
import resource, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.predict.small import predictor
prediction = predictor(Path(sys.argv[1]), Path(sys.argv[2]), spacing=eval(sys.argv[3]), net=torch.nn.Conv3d(1, 14, 1),
                       window=(96, 96, 96), batch=1, memory=4.0)
prediction.run()
prediction.check()
print("GiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 1.0), (1.5, 1.5, 1.5)])
def test_a_large_volume_stays_under_four_gib(tmp_path, repository, spacing):
    """512 x 512 x 600 with 14 classes; at once it takes more than 18 GiB."""
    import nibabel

    array = np.random.default_rng(0).integers(0, 1000, (512, 512, 600), np.int16)
    (tmp_path / "in").mkdir()
    nibabel.save(nibabel.Nifti1Image(array, np.diag([0.8, 0.8, 1.0, 1])), tmp_path / "in" / "a.nii")
    command = [sys.executable, "-c", BIG, str(tmp_path / "in"), str(tmp_path / "out"), str(spacing)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    peak = float(done.stdout.split("GiB")[1])
    print(f"spacing {spacing}: {peak:.2f} GiB")
    assert peak < 4 and (tmp_path / "out" / "a_seg.nii").is_file()

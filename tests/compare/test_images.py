import numpy as np
import pytest
from monai.transforms import Compose, Lambdad, RandFlipd, ScaleIntensityRanged

from dvpt_monai.compare import images
from dvpt_monai.compare.bundle import Bundle
from dvpt_monai.compare.images import SharedImages

CASES = [{"image": np.full((1, 2, 2), number, np.float32), "name": str(number)} for number in range(4)]


def scaled(high, *others):
    step = ScaleIntensityRanged("image", a_min=0, a_max=high, b_min=0, b_max=1)
    return Compose([step, *others])


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(images, "_prepared", {})


def test_other_cases_of_the_same_steps_are_added():
    first, second = SharedImages(CASES[:3], scaled(2)), SharedImages(CASES[1:], scaled(2, RandFlipd("image", prob=1)))
    assert len(images._prepared) == 4
    assert first._cache[1] is second._cache[0] and second[0]["image"] is not first[1]["image"]


def test_other_steps_are_other_images():
    first, second = SharedImages(CASES[:1], scaled(2)), SharedImages(CASES[:1], scaled(4))
    assert len(images._prepared) == 2 and first._cache[0] is not second._cache[0]


def test_what_cannot_be_compared_is_not_shared():
    offset = 1
    first, second = (SharedImages(CASES[:1], Compose([Lambdad("image", lambda x: x + offset)])) for _ in range(2))
    assert not images._prepared and first._cache[0] is not second._cache[0]


@pytest.mark.parametrize("name", ["fundus", "hippocampus", "chest", "adrenal", "lesions"])
def test_two_runs_of_a_bundle_prepare_each_image_once(name, request):
    """For training, and for validation where its steps are others; of another method and another fold."""
    bundle = request.getfixturevalue(name)
    of = Bundle(bundle.root, {"dataset_dir": str(bundle.data), "backbone_weights": "random", **bundle.overrides})
    prepared = []
    for method in ("DVPT", "LinearProbe"):
        parser = of.workflow({"method": {"_target_": f"dvpt_monai.{method}"}, "fold": 0}).parser
        sets = [parser.get_parsed_content(f"{part}#dataset") for part in ("train", "validate")]
        assert all(type(each) is SharedImages for each in sets)
        prepared.append(len(images._prepared))
        assert prepared[-1] == sum(map(len, sets))
    assert prepared[0] == prepared[1]

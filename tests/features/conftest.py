"""A small training that can be told to read from the cache."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import Dataset
from monai.inferers import SimpleInferer
from monai.transforms import Compose, EnsureTyped, LoadImaged, RandFlipd, RandGaussianNoised, RandScaleIntensityd
from torch import nn

from dvpt_monai import DVPT, UNETR, ViTClassifier, parameter_groups, tune
from dvpt_monai.data import ReplayLoader
from dvpt_monai.features import FeatureCache, FromFeatures, PrepareFeatures, TakesFeatures

VIEWS, CASES, BATCH = 2, 5, 2
SMALL = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 16, "mlp_dim": 32, "num_layers": 4,
         "num_heads": 2}  # fmt: skip


def classifier(method=None, seed=0, **options):
    torch.manual_seed(seed)
    network = ViTClassifier(num_classes=3, head_dropout=0.2, **{**SMALL, **options})
    return tune(network, method or DVPT(layers=[2, 3], num_prompts=2, bottleneck=2))


def unetr(**options):
    torch.manual_seed(0)
    network = UNETR(out_channels=2, feature_size=4, spatial_dims=2, **{**SMALL, **options})
    return tune(network, DVPT(layers=[2, 3], num_prompts=2, bottleneck=2))


def augment(keys="image", std=0.1):
    steps = [RandFlipd(keys, prob=0.5, spatial_axis=0), RandGaussianNoised("image", prob=0.5, std=std)]
    return [*steps, RandScaleIntensityd("image", prob=0.5, factors=0.2)]


def prepare(keys="image"):
    return [LoadImaged(keys, reader="NumpyReader", ensure_channel_first=True), EnsureTyped(keys)]


@dataclass
class Training:
    """Losses of each step, from images or from the cache, of whatever network and cases."""

    folder: object
    cases: list
    network: nn.Module = field(default_factory=classifier)
    transform: object = field(default_factory=lambda: Compose(prepare() + augment()))
    loss: nn.Module = field(default_factory=nn.CrossEntropyLoss)
    inferer: object = field(default_factory=SimpleInferer)
    epochs: int = 5
    seed: int = 3
    workers: int = 0
    options: dict = field(default_factory=dict)

    def cache(self, views=VIEWS):
        return FeatureCache(self.network, views, self.folder, seed=self.seed, **{"dtype": "float32", **self.options})

    def dataset(self):
        return Dataset(self.cases, self.transform)

    def run(self, cached=True, views=VIEWS):
        cache = self.cache(views if cached else 0)
        data = cache.training(self.dataset(), self.inferer)
        cache.fill()
        loader = ReplayLoader(
            data, shuffle=True, batch_size=BATCH, seed=self.seed, views=views, num_workers=self.workers
        )
        optimizer = torch.optim.AdamW(parameter_groups(self.network, 1e-2))
        network, inferer = TakesFeatures(self.network).train(), FromFeatures(self.inferer)
        torch.manual_seed(5)
        losses = []
        for _ in range(self.epochs):
            for batch in loader:
                inputs, labels = PrepareFeatures()(batch, "cpu")
                loss = self.loss(inferer(inputs, network), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        return losses


@pytest.fixture(scope="session")
def small():
    """What trains, by name: `small.Training(store, cases).run()` gives losses."""
    names = (Training, augment, classifier, prepare, unetr)
    sizes = {name: SMALL[name] for name in ("patch_size", "hidden_size", "mlp_dim", "num_layers", "num_heads")}
    return SimpleNamespace(views=VIEWS, sizes=sizes, **{each.__name__: each for each in names})


@pytest.fixture
def cases(tmp_path):
    """Five images in files, and their grades."""
    random = np.random.default_rng(0)
    made = []
    for number in range(CASES):
        path = tmp_path / "images" / f"{number}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, random.random((16, 16), np.float32))
        made.append({"image": str(path), "label": number % 3, "name": f"{number}.npy"})
    return made


@pytest.fixture
def masked(cases):
    """The same with masks in files."""
    for case in cases:
        path = case["image"].replace(".npy", "_mask.npy")
        np.save(path, (np.load(case["image"]) > 0.5).astype(np.float32))
        case["label"] = path
    return cases


@pytest.fixture
def store(tmp_path):
    """The folder of the caches."""
    return tmp_path / "features"


@pytest.fixture
def shards(store):
    """The files of the caches, now; what a killed process left half-written is none."""
    return lambda: sorted(store.glob("*/[!.]*.safetensors"))

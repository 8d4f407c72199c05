"""From the cache a training takes the same steps as from images with the same draws."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from monai.inferers import SimpleInferer, SlidingWindowInferer
from monai.losses import DiceCELoss
from monai.transforms import Compose, RandCropByPosNegLabeld, RandSpatialCropd

from dvpt_monai import DVPT, FPTPlus, LinearProbe, LoRA, SliceClassifier, load_adapter, save_adapter, tune
from dvpt_monai.data import ReplayLoader
from dvpt_monai.features import FeatureCache, FromFeatures, TakesFeatures
from dvpt_monai.inferers import Autocast
from dvpt_monai.tuning import untune


@pytest.fixture
def pair(small):
    return partial(both, small)


def both(small, store, cases, **options):
    """Losses from the cache, and from images."""
    network = options.pop("network", None) or small.classifier()
    one = small.Training(store, cases, copy.deepcopy(network), **options)
    other = small.Training(store, cases, copy.deepcopy(network), **options)
    return one.run(), other.run(cached=False)


def test_losses_are_equal_step_by_step(store, cases, pair, shards):
    cached, plain = pair(store, cases)
    assert len(plain) == 15
    assert cached == pytest.approx(plain, rel=1e-6, abs=1e-6)
    assert shards()


def test_again_from_the_files_and_with_workers(store, cases, small, pair, shards):
    cached, _ = pair(store, cases)
    written = [(path, path.stat().st_mtime_ns) for path in shards()]
    assert small.Training(store, cases).run() == cached
    assert small.Training(store, cases, workers=2).run() == cached
    assert [(path, path.stat().st_mtime_ns) for path in shards()] == written


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_near(store, cases, dtype, pair):
    cached, plain = pair(store, cases, options={"dtype": dtype})
    assert cached == pytest.approx(plain, rel=0.02)
    assert cached != pytest.approx(plain, rel=1e-6)


def test_the_test_can_fail(store, cases, small, pair):
    """Other draws, and other numbers of views, give other losses."""
    cached, plain = pair(store, cases)
    assert small.Training(store, cases).run(cached=False, views=0) != pytest.approx(plain, rel=1e-3)
    assert small.Training(store, cases, seed=4).run() != pytest.approx(cached, rel=1e-3)
    assert small.Training(store, cases).run(views=1) != pytest.approx(cached, rel=1e-3)


@pytest.mark.parametrize("crop", ["anywhere", "by label"])
def test_masks_come_along_as_they_were_cropped(store, masked, crop, small, pair):
    keys = ["image", "label"]
    window = {
        "anywhere": RandSpatialCropd(keys, roi_size=(16, 16), random_size=False),
        "by label": RandCropByPosNegLabeld(keys, "label", spatial_size=(16, 16), num_samples=2),
    }[crop]
    for case in masked:  # larger than what the network sees
        for path in (case["image"], case["label"]):
            np.save(path, np.tile(np.load(path), (2, 2)))
    options = {"network": small.unetr(), "loss": DiceCELoss(softmax=True, to_onehot_y=True), "epochs": 3}
    cached, plain = pair(
        store, masked, transform=Compose([*small.prepare(keys), window, *small.augment(keys)]), **options
    )
    assert cached == pytest.approx(plain, rel=1e-6, abs=1e-6)


def test_a_corrected_mask_is_another_case(store, masked, small, pair):
    keys = ["image", "label"]
    options = {"network": small.unetr(), "loss": DiceCELoss(softmax=True, to_onehot_y=True), "epochs": 2}
    options["transform"] = Compose(small.prepare(keys) + small.augment(keys))
    before, _ = pair(store, masked, **options)
    for case in masked:
        np.save(case["label"], 1 - np.load(case["label"]))
    options["network"] = small.unetr()
    after, plain = pair(store, masked, **options)
    assert after == pytest.approx(plain, rel=1e-6, abs=1e-6)
    assert after != pytest.approx(before, rel=1e-3)


def test_windows_of_a_validation(store, masked, small):
    for case, size in zip(masked, (16, 20, 24, 40, 12), strict=True):
        for path in (case["image"], case["label"]):
            np.save(path, np.resize(np.load(path), (size, 16)))
    inferer = Autocast(SlidingWindowInferer((16, 16), sw_batch_size=3, overlap=0.5, mode="gaussian"))
    training = small.Training(store, masked, small.unetr(), Compose(small.prepare(["image", "label"])), inferer=inferer)
    cache = training.cache()
    cached = cache.validation(training.dataset(), FromFeatures(inferer))
    cache.fill()
    network, reads = TakesFeatures(training.network).eval(), FromFeatures(inferer)
    for number, plain in enumerate(training.dataset()):
        item = cached[number]
        with torch.no_grad():
            there = reads({name: value[None] for name, value in item["image"].items()}, network)
            here = inferer(plain["image"][None].as_tensor(), training.network.eval())
        assert torch.allclose(there, here, atol=1e-5)
        assert torch.equal(item["label"], plain["label"].as_tensor())
        assert item["name"] == plain["name"]


def test_methods_with_one_cut_share_a_cache(store, cases, small, pair, shards):
    pair(store, cases)
    written = shards()
    cached, plain = pair(store, cases, network=small.classifier(LoRA(layers=[2, 3], rank=2)))
    assert cached == pytest.approx(plain, rel=1e-6, abs=1e-6)
    assert shards() == written


@pytest.fixture
def volumes(cases):
    """The same in 3D, of four slices."""
    for case in cases:
        np.save(case["image"], np.stack([np.load(case["image"]) * weight for weight in (1, 0.3, 0.8, 0.5)], -1))
    return cases


@pytest.mark.parametrize("method", [DVPT(layers=[2, 3], num_prompts=2, bottleneck=2), FPTPlus(share=0.5, reduction=2)])
def test_volumes_are_read_slice_by_slice(store, volumes, small, pair, shards, method):
    def network(step):
        torch.manual_seed(0)
        return tune(SliceClassifier(3, step=step, chunk=3, in_channels=1, img_size=16, **small.sizes), method)

    cached, plain = pair(store, volumes, network=network(1), epochs=3)
    assert cached == pytest.approx(plain, rel=1e-5, abs=1e-5)
    written = shards()
    fewer, plain = pair(store, volumes, network=network(2), epochs=3)
    assert fewer == pytest.approx(plain, rel=1e-5, abs=1e-5)
    assert fewer != pytest.approx(cached, rel=1e-4) and set(shards()) > set(written), "other slices, another cache"


def test_volumes_of_other_numbers_of_slices_are_no_batch(store, volumes, small):
    np.save(volumes[0]["image"], np.load(volumes[0]["image"])[..., :3])
    network = tune(SliceClassifier(3, in_channels=1, img_size=16, **small.sizes), LinearProbe())
    training = small.Training(store, volumes, network, epochs=1)
    with pytest.raises(RuntimeError, match="image"):
        training.run()
    cache = training.cache()
    data = cache.training(training.dataset(), SimpleInferer())
    cache.fill()
    assert [data[case]["image"]["present"].shape for case in range(2)] == [(1, 3), (1, 4)]


def test_folds_share_a_cache(store, cases, small, pair, shards):
    """A view is drawn by the name of its case, so another list makes only what is new."""
    small.Training(store, cases[:3]).run()
    [before] = shards()
    small.Training(store, cases[1:]).run()
    [after] = set(shards()) - {before}
    assert after.stat().st_size < before.stat().st_size
    cached, plain = pair(store, cases[1:])
    assert cached == pytest.approx(plain, rel=1e-6, abs=1e-6)


def test_data_may_move(store, cases, tmp_path, small, shards):
    small.Training(store, cases).run()
    written = shards()
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    small.Training(store, [{**case, "image": case["image"].replace("images", "elsewhere")} for case in cases]).run()
    assert shards() == written


def test_an_adapter_trained_on_the_cache_runs_on_images(store, cases, tmp_path, small):
    training = small.Training(store, cases)
    training.run()
    path = save_adapter(training.network, tmp_path / "adapter.safetensors")
    plain = load_adapter(untune(small.classifier()), path).eval()
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(plain(images), training.network.eval()(images))


def test_a_data_set_without_random_transforms_has_one_view(store, cases, small, pair):
    cached, plain = pair(store, cases, transform=Compose(small.prepare()))
    assert cached == pytest.approx(plain, rel=1e-6, abs=1e-6)
    one = small.Training(store, cases, transform=Compose(small.prepare()))
    data = one.cache().training(one.dataset(), SimpleInferer())
    assert data.views == 1


def test_views_repeat_and_differ(store, cases, small):
    training = small.Training(store, cases)
    cache = training.cache()
    data = cache.training(training.dataset(), SimpleInferer())
    cache.fill()
    first, second = (data[view, 0]["image"]["block_1"] for view in range(small.views))
    assert torch.equal(data[small.views, 0]["image"]["block_1"], first)
    assert not torch.equal(first, second)


def test_nothing_is_cached_unless_it_is_asked_for(store, cases, small):
    training = small.Training(store, cases)
    data = training.dataset()
    cache = FeatureCache(training.network, 0, store)
    assert cache.training(data, SimpleInferer()) is data
    cache.fill()
    assert not store.exists()


def test_no_random_number_is_drawn_by_filling(store, cases, small):
    training = small.Training(store, cases)
    cache = training.cache()
    cache.training(training.dataset(), SimpleInferer())
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    cache.fill()
    assert torch.equal(torch.rand(1), expected)


def test_replay_loader_repeats_views(cases, small):
    data = small.Training(None, cases).dataset()
    loader = ReplayLoader(data, batch_size=5, seed=1, views=2)
    epochs = [next(iter(loader))["image"] for _ in range(4)]
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])


def test_weights_in_a_file_change_no_bit(store, cases, small, monkeypatch, caplog):
    """Losses, what trained, and what the network says of images; without a place for the file, too."""
    caplog.set_level("INFO")
    networks = [small.classifier() for _ in range(3)]
    weights = [network.vit.blocks[0].mlp.linear1.weight for network in networks]
    places = [each.data_ptr() for each in weights]
    mapped = small.Training(store, cases, networks[0]).run()
    with monkeypatch.context() as patch:
        patch.setattr("dvpt_monai.features.cache.map_frozen", lambda *_: 0)
        kept = small.Training(store, cases, networks[1]).run()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert "stay in memory" not in caplog.text
    refused = small.Training(store, cases, networks[2]).run()
    assert "The weights of the frozen blocks stay in memory" in caplog.text and "No space left" in caplog.text
    assert [each.data_ptr() == place for each, place in zip(weights, places, strict=True)] == [False, True, True]
    assert mapped == kept == refused
    states = [network.state_dict() for network in networks]
    assert all(torch.equal(states[0][key], value) for state in states[1:] for key, value in state.items())
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(networks[0].eval()(images), networks[1].eval()(images))
    assert not [path for path in store.rglob("*") if path.is_file() and path.suffix == "" and path.name != ".lock"]

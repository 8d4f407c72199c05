"""What is stale, damaged, too large or in other hands is found before a step: made anew, or refused by name."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.inferers import SimpleInferer
from monai.transforms import Compose

import dvpt_monai.features.cache as module
import dvpt_monai.features.key as key
from dvpt_monai import DVPT, SideDVPT, ViTClassifier, tune
from dvpt_monai.errors import CacheError, TuningError
from dvpt_monai.features import FeatureCache
from dvpt_monai.features.listing import clear, table
from dvpt_monai.features.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def filled(small, store, cases, shards):
    """A cache that has its one shard."""
    training = small.Training(store, cases)
    training.cache()
    losses = training.run()
    [shard] = shards()
    return shard, losses


def rebuilt(filled, small, store, cases, shards, caplog):
    """The training does what it did, and the damaged shard is named and replaced."""
    shard, losses = filled
    assert small.Training(store, cases).run() == losses
    assert str(shard) in caplog.text and "computed anew" in caplog.text
    [now] = shards()
    assert now != shard


@pytest.mark.parametrize("place", [0, 3, 20, 200, -1, -3000])
def test_a_flipped_bit(filled, small, store, cases, shards, caplog, place):
    content = bytearray(filled[0].read_bytes())
    content[place] ^= 4
    filled[0].write_bytes(content)
    rebuilt(filled, small, store, cases, shards, caplog)


def test_any_flipped_bit_of_a_header(filled, small, store, cases):
    """Each change of the header is found, or changes nothing: not one gives other numbers."""
    content = filled[0].read_bytes()
    size = int.from_bytes(content[:8], "little")
    training = small.Training(store, cases)
    data = training.cache().training(training.dataset(), SimpleInferer())
    data.place(store)
    data.open()
    wanted = [data[case]["image"]["block_1"] for case in range(len(cases))]
    for place in range(0, 8 + size, 97):
        filled[0].write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        data.place(store)
        if not data.open() and not data.missing():
            assert all(torch.equal(data[i]["image"]["block_1"], wanted[i]) for i in range(len(cases)))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_file(filled, small, store, cases, shards, caplog, share):
    os.truncate(filled[0], int(share * filled[0].stat().st_size))
    rebuilt(filled, small, store, cases, shards, caplog)


def test_a_file_cut_short_in_use_is_an_error_with_a_name(filled, small, store, cases):
    training = small.Training(store, cases)
    cache = training.cache()
    data = cache.training(training.dataset(), SimpleInferer())
    cache.fill()
    os.truncate(filled[0], filled[0].stat().st_size // 2)
    with pytest.raises(CacheError, match=filled[0].name):
        for case in range(len(cases)):
            data[0, case], data[1, case]


def test_deleted_while_in_use(filled, small, store, cases):
    training = small.Training(store, cases)
    cache = training.cache()
    data = cache.training(training.dataset(), SimpleInferer())
    cache.fill()
    before = data[0]["image"]["block_1"]
    assert "Deleted 1 caches" in clear(store)
    assert torch.equal(data[0]["image"]["block_1"], before)
    assert small.Training(store, cases).run() == filled[1]


def test_deleted_while_it_is_filled(small, store, cases, shards, monkeypatch):
    """By hand, which no lock can hinder: the training has what it wrote, and the next one makes that anew."""
    monkeypatch.setattr(module, "SHARD", 1)
    written, write = [], Store.write

    def delete(self, entries):
        if len(written) == 2:
            shutil.rmtree(store)
        write(self, entries)
        written.append(entries)

    monkeypatch.setattr(Store, "write", delete)
    losses = small.Training(store, cases).run()
    assert losses == pytest.approx(small.Training(store, cases).run(cached=False), rel=1e-6)
    assert len(written) == len(cases) and len(shards()) == len(cases) - 2
    assert small.Training(store, cases).run() == losses
    assert len(written) == len(cases) + 2 and len(shards()) == len(cases)


CHANGES = {
    "backbone": lambda small: {"network": small.classifier(seed=1)},
    "pooling": lambda small: {"network": small.classifier(pooling="mean")},
    "cut": lambda small: {"network": small.classifier(DVPT(layers=[1, 3], num_prompts=2, bottleneck=2))},
    "transform": lambda small: {"transform": Compose([*small.prepare(), *small.augment(std=0.2)])},
    "order": lambda small: {"transform": Compose([*small.prepare(), *small.augment()[::-1]])},
    "dtype": lambda small: {"options": {"dtype": "float16"}},
    "seed": lambda small: {"seed": 4},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_an_activation_makes_another_entry(filled, small, store, cases, shards, change):
    training = small.Training(store, cases, **CHANGES[change](small))
    cached = training.run()
    assert len(shards()) == 2
    plain = small.Training(store, cases, **CHANGES[change](small)).run(cached=False)
    assert cached == pytest.approx(plain, rel=0.02 if change == "dtype" else 1e-6)


def test_another_image_makes_another_entry(filled, small, store, cases, shards):
    np.save(cases[0]["image"], np.zeros((16, 16), np.float32))
    cached = small.Training(store, cases).run()
    assert cached == pytest.approx(small.Training(store, cases).run(cached=False), rel=1e-6)
    assert cached != filled[1]
    assert len(shards()) == 2


@pytest.mark.parametrize("package", ["torch", "monai", "dvpt_monai"])
def test_another_version_makes_another_cache(filled, small, store, cases, shards, monkeypatch, package):
    if package == "dvpt_monai":
        monkeypatch.setattr(key, "__version__", "0.0.1")
    else:
        monkeypatch.setattr(getattr(key, package), "__version__", "0.0.1")
    assert small.Training(store, cases).run() == filled[1]
    assert len(list(store.iterdir())) == 2


def test_a_shard_of_another_cache_is_refused_by_name(filled, small, store, cases, shards):
    small.Training(store, cases, seed=4, network=small.classifier(seed=1)).run()
    [other] = set(shards()) - {filled[0]}
    shutil.copy(other, filled[0].parent / other.name)
    with pytest.raises(CacheError, match=f"{other.name}: another cache's.*cache --clear {filled[0].parent.name}"):
        small.Training(store, cases).run()


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON"])
def test_a_header_of_another_cache_is_refused_by_name(filled, small, store, cases, text):
    path = filled[0].parent / "cache.json"
    path.write_text(text)
    with pytest.raises(CacheError, match=r"cache\.json.*cache --clear"):
        small.Training(store, cases).run()


def test_what_no_header_tells_is_found_by_one_case(filled, small, store, cases, monkeypatch):
    """Such as code that computes something else under the same version."""
    monkeypatch.setattr("dvpt_monai.features.dataset.frozen_activations", lambda *a: wrong(*a))

    from dvpt_monai.tuning import frozen_activations

    def wrong(network, images):
        return {name: 1.1 * value for name, value in frozen_activations(network, images).items()}

    for part in (cases, cases[:3], [*cases, {**cases[0], "name": "new.npy"}]):  # complete or not
        with pytest.raises(CacheError, match=r"block_1 of its case 0 is not what is computed now.*cache --clear"):
            small.Training(store, part).run()


def test_a_network_of_which_nothing_stays_is_refused(small, store, cases):
    with pytest.raises(TuningError, match="layers="):
        small.Training(store, cases, small.classifier(DVPT(num_prompts=2, bottleneck=2))).run()
    assert not store.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"budget": 1e-6},
            "--cache_features 2 takes at least 3.2 kB.*Give --cache_budget 1.*without, --cache_features 0",
        ),
        ({"budget": 3.3e-6}, "2 takes 3.44 kB.* Give --cache_features 1 or --cache_budget 1.*, --cache_features 0"),
        ({"budget": 2e-6}, "Give --cache_features 1 or --cache_budget 1"),
        ({"dtype": "int8"}, "--cache_dtype int8"),
    ],
)
def test_more_than_the_budget_is_refused_before_the_start(small, store, cases, shards, options, message):
    with pytest.raises(CacheError, match=message):
        small.Training(store, cases, options=options).run()
    assert not shards()


def test_what_is_there_counts(filled, small, store, cases):
    size = filled[0].stat().st_size / 1e9
    assert small.Training(store, cases, options={"budget": size}).run() == filled[1]
    with pytest.raises(CacheError, match="there are"):
        small.Training(store, cases, seed=4, options={"budget": 1.1 * size}).run()


def test_images_and_views_are_counted_apart(small, store, cases, caplog):
    caplog.set_level("INFO")
    small.Training(store, cases).run()
    assert f"activations of {len(cases)} images, {2 * len(cases)} views, " in caplog.text


@pytest.mark.parametrize("views", [-1, 1.5, [4], "4"])
def test_what_is_no_number_of_views(small, store, cases, views):
    with pytest.raises(CacheError, match=rf"--cache_features {re.escape(str(views))}: .*, or auto"):
        small.Training(store, cases).cache(views)


@pytest.mark.parametrize(
    ("method", "views", "reason"),
    [
        (SideDVPT(layers=[1]), 4, ""),
        (DVPT(layers=[2, 3]), 4, ""),
        (DVPT(layers=[1, 2, 3]), 0, "1 of 4 blocks stay as they are"),
        (DVPT(), 0, "not cached: blocks.0.mlp.tuner.gate trains, so no block of the network stays as it is with DVPT"),
    ],
    ids=["beside", "late", "early", "all"],
)
def test_a_cache_is_automatic_where_it_pays(method, views, reason, caplog):
    size = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 4, "num_heads": 2, "in_channels": 3, "img_size": 32}
    network = tune(ViTClassifier(num_classes=2, **size), method)
    caplog.set_level("INFO")
    assert FeatureCache(network, "auto").views == views
    assert (reason in caplog.text) if reason else not caplog.text


@pytest.mark.parametrize(("epochs", "views"), [(1, 1), (3, 3), (4, 4), (15, 4)])
def test_no_draw_is_made_that_no_epoch_sees(epochs, views):
    size = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 4, "num_heads": 2, "in_channels": 3, "img_size": 32}
    network = tune(ViTClassifier(num_classes=2, **size), SideDVPT(layers=[1]))
    assert FeatureCache(network, "auto", epochs=epochs).views == views
    assert FeatureCache(network, 6, epochs=epochs).views == 6


def test_a_number_is_never_lowered():
    size = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 4, "num_heads": 2, "in_channels": 3, "img_size": 32}
    network = tune(ViTClassifier(num_classes=2, **size), DVPT(layers=[1, 2, 3]))
    assert FeatureCache(network, 2).views == 2
    with pytest.raises(CacheError, match=r"--cache_features four: .*, or auto"):
        FeatureCache(network, "four")


def test_values_that_a_dtype_does_not_hold(small, store, cases):
    network = small.classifier()
    with torch.no_grad():
        network.vit.blocks[0].mlp.linear2.bias += 1e5
    with pytest.raises(CacheError, match=r"0\.npy: values up to .*float16 holds; .*bfloat16"):
        small.Training(store, cases, network, options={"dtype": "float16"}).run()
    np.save(cases[2]["image"], np.full((16, 16), np.nan, np.float32))
    with pytest.raises(CacheError, match=r"block_1 of 2\.npy: NaN"):
        small.Training(store, cases).run()


def test_a_full_disk(small, store, cases, shards):
    """The limit on a file's size stands for it; what was whole before stays."""
    before = small.Training(store, cases[:2]).run()
    kept = shards()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(CacheError, match=r"cannot be written .*--cache_dir"):
            small.Training(store, cases).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert shards() == kept
    assert not list(store.glob("*/.*part-*"))
    assert small.Training(store, cases[:2]).run() == before


def test_a_disk_without_room_is_refused_before_the_start(filled, small, store, cases, shards, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2000))
    assert small.Training(store, cases).run() == filled[1]  # complete, it takes none
    with pytest.raises(CacheError, match=r"takes 3\.44 kB.*the disk has 2 kB left\. Give --cache_features 1, clear"):
        small.Training(store, cases, seed=4).run()
    assert shards() == [filled[0]]


def test_a_folder_that_cannot_be_written(small, store, cases):
    store.write_text("a file")
    with pytest.raises(CacheError, match=r"features.*cannot be written.*--cache_dir DIR, or .*, --cache_features 0"):
        small.Training(store, cases).run()


def test_a_complete_cache_is_read_where_nobody_may_write(filled, small, store, cases, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    for function in ("mkdir", "utime", "replace"):
        monkeypatch.setattr(os, function, refuse)
    assert small.Training(store, cases).run() == filled[1]
    with pytest.raises(CacheError, match="cannot be written"):
        small.Training(store, cases, seed=4).run()


FILLS = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
import json, torch
from conftest import Training
torch.set_num_threads(1)
training = Training({store!r}, json.loads({cases!r}))
cache = training.cache()
cache.training(training.dataset(), training.inferer)
{before}
print("ready", flush=True)
input()
cache.fill()
"""


@pytest.fixture
def process(store, cases):
    """Start a process that fills the cache once it reads a line; `before` is done first."""

    def start(before=""):
        given = {"root": str(ROOT), "here": str(ROOT / "tests" / "features"), "cases": json.dumps(cases)}
        code = FILLS.format(store=str(store), before=before, **given)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
        assert started.stdout.readline() == "ready\n", started.stderr.read()
        return started

    return start


@pytest.mark.slow
def test_two_processes_fill_one_cache(small, store, cases, shards, process):
    both = [process(), process()]
    for each in both:
        each.stdin.write("\n")
        each.stdin.flush()
    for each in both:
        assert each.wait(timeout=120) == 0, each.stderr.read()
    assert len(shards()) == 1
    assert small.Training(store, cases).run() == pytest.approx(small.Training(store, cases).run(cached=False), rel=1e-6)


@pytest.mark.slow
def test_a_killed_process_loses_its_last_shard_alone(small, store, cases, shards, process):
    slow = "import dvpt_monai.features.cache as module, time; module.SHARD = 1; "
    slow += "torch.stack, stack = (lambda x: (time.sleep(0.5), stack(x))[1]), torch.stack"
    filling_it = process(slow)
    filling_it.stdin.write("\n")
    filling_it.stdin.flush()
    until = time.monotonic() + 60
    while len(shards()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(CacheError, match=f"process {filling_it.pid} on .* is filling it"):
        clear(store)
    filling_it.send_signal(signal.SIGKILL)
    filling_it.wait()
    kept = shards()
    assert 2 <= len(kept) < len(cases)
    (kept[0].parent / ".aa.part-0123456789ab.safetensors").write_bytes(b"half")
    losses = small.Training(store, cases).run()
    assert losses == pytest.approx(small.Training(store, cases).run(cached=False), rel=1e-6)
    assert set(kept) < set(shards())
    assert not list(store.glob("*/.*part-*"))


def test_the_list(filled, small, store, cases):
    text = table(store)
    assert "  training " in text and f" {len(cases)} x {small.views} " in text
    training = small.Training(store, cases, seed=5, options={"name": "fundus", "dtype": "float16"})
    training.run()
    assert f" fundus training  {len(cases)} x {small.views} " in table(store)
    clear(store, [next(line.split()[0] for line in table(store).splitlines() if "fundus" in line)])
    assert filled[0].parent.name in text and "ViTClassifier 16x16" in text and "block_1 in float32" in text
    with pytest.raises(CacheError, match=f"did you mean {filled[0].parent.name}"):
        table(store, [filled[0].parent.name[:-1]])
    with pytest.raises(CacheError, match="no cache abc"):
        clear(store, ["abc"])
    clear(store, [filled[0].parent.name])
    assert "no cached activations" in table(store)

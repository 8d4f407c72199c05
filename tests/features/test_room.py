"""What cannot be kept: a number of views is refused before anything is read, ``auto`` trains from images."""

import errno
import json
import logging
import os
import re

import pytest
import torch
from monai.inferers import SimpleInferer
from monai.transforms import Compose

from dvpt_monai.errors import CacheError, CacheRoomError
from dvpt_monai.features import FeatureCache, shard
from dvpt_monai.features import cache as filled
from dvpt_monai.features import dataset as module
from dvpt_monai.features.budget import kept_bytes
from dvpt_monai.features.folder import HEADER, caches_in
from dvpt_monai.features.listing import clear, table


@pytest.fixture
def reads(monkeypatch):
    """The cases whose files were read to find out what they are called."""
    seen = []
    digest = module.case_digest
    monkeypatch.setattr(module, "case_digest", lambda case: seen.append(case) or digest(case))
    return seen


def test_too_many_views_are_refused_before_anything_is_read(small, store, cases, reads):
    cache = small.Training(store, cases).cache(1_000_000)
    cache.training(small.Training(store, cases).dataset(), SimpleInferer())
    cache.budget = 0.1
    with pytest.raises(
        CacheRoomError, match=r"1000000 takes at least 1\.6 GB.* of 0\.1 GB.*Give --cache_features \d+ or"
    ):
        cache.fill()
    assert not reads and not store.exists()
    small.Training(store, cases).run()
    assert len(reads) == len(cases), "what has room is read"


def test_what_entries_take_at_least(small, store, cases, shards):
    cache = small.Training(store, cases).cache()
    data = cache.training(small.Training(store, cases).dataset(), SimpleInferer())
    cache.fill()
    kept = sum(value.nbytes for case in range(len(cases)) for name, value in data[case]["image"].items()
               if name != "size")  # fmt: skip
    assert data.least_bytes() == small.views * kept > 0


def test_a_budget_below_a_complete_cache_is_no_reason(small, store, cases):
    losses = small.Training(store, cases).run()
    assert small.Training(store, cases, options={"budget": 1e-6}).run() == losses


def automatic(training, budget, epochs):
    """A cache of a training that is asked for as ``auto``."""

    def cache(views):
        return FeatureCache(training.network, views and "auto", training.folder, seed=training.seed, dtype="float32",
                            budget=budget, epochs=epochs)  # fmt: skip

    training.cache = cache
    return training


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "beside others"])
def test_auto_trains_from_images_where_there_is_no_room(small, store, cases, shards, caplog, workers, late):
    """With the same draws as from a cache, so that nothing depends on what room there is."""
    caplog.set_level("INFO")
    budget = 1e-6
    if late:  # there would be room, but for another cache
        small.Training(store, cases, small.classifier(seed=1)).run()
        budget = 1.2 * sum(path.stat().st_size for path in shards()) / 1e9
    before = shards()
    training = automatic(small.Training(store, cases, workers=workers), budget, small.views)
    place = training.network.vit.blocks[0].mlp.linear1.weight.data_ptr()
    losses = training.run()
    assert losses == small.Training(store, cases).run(cached=False) and shards() == before
    [line] = [record.message for record in caplog.records if "each step computes them" in record.message]
    assert "--cache_features 2 takes " in line and f"--cache_budget of {budget:g} GB" in line
    assert line.endswith(("--cache_budget 1 caches", "or --cache_budget 1 caches"))
    assert training.network.vit.blocks[0].mlp.linear1.weight.data_ptr() == place, "every step reads it"
    roomy = automatic(small.Training(store, cases), 1.0, small.views).run()
    assert roomy == pytest.approx(losses, rel=1e-6) and len(shards()) == len(before) + 1


def test_a_number_stays_an_error_and_so_does_what_is_no_matter_of_the_place(small, store, cases):
    with pytest.raises(CacheRoomError, match="--cache_features 0"):
        small.Training(store, cases, options={"budget": 1e-6}).run()
    small.Training(store, cases).run()
    [folder] = caches_in(store)
    (folder / HEADER).write_text("{}")
    with pytest.raises(CacheError, match="another cache's"):
        automatic(small.Training(store, cases), 1.0, small.views).run()


def ours(caplog):
    """What the cache warns of."""
    there = [record for record in caplog.records if record.name.startswith("dvpt_monai")]
    return [record.message for record in there if record.levelno >= logging.WARNING]


def a_file(store, monkeypatch):
    store.write_text("")


def read_only(store, monkeypatch):
    """Whoever runs the tests may write everywhere."""

    def refuse(path, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    store.mkdir(exist_ok=True)
    monkeypatch.setattr(os, "mkdir", refuse)


def closed(store, monkeypatch):
    stat = os.stat

    def refuse(path, **kwargs):
        if str(path).endswith(HEADER):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)


def full(store, monkeypatch):
    """After the first shard."""
    monkeypatch.setattr(filled, "SHARD", 1)
    save, saved = shard.save_file, []

    def refuse(*args, **kwargs):
        if saved:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(save(*args, **kwargs))

    monkeypatch.setattr(shard, "save_file", refuse)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (a_file, "cannot be written ([Errno 20] Not a directory"),
        (read_only, "cannot be written ([Errno 30] Read-only"),
        (closed, "cannot be read ([Errno 13] Permission denied"),
        (full, "cannot be written ([Errno 28] No space left on device), what was cached there before stays"),
    ],
    ids=["a file", "read-only", "closed", "full"],
)
def test_auto_trains_from_images_where_nobody_may_write(spoil, why, small, store, cases, shards, caplog, monkeypatch):
    wanted = small.Training(store, cases).run(cached=False)
    spoil(store, monkeypatch)
    assert automatic(small.Training(store, cases), 1.0, small.views).run() == wanted
    [line] = ours(caplog)
    assert line.startswith(f"Activations are not cached, each step computes them: {store}") and why in line
    assert line.endswith(". --cache_dir DIR caches") and len(shards()) == (spoil is full)
    with pytest.raises(CacheError, match=r"Give --cache_dir DIR, or .*train without a cache, --cache_features 0$"):
        small.Training(store, cases).run()


def test_auto_reads_a_complete_cache_where_nobody_may_write(small, store, cases, caplog, monkeypatch):
    wanted = small.Training(store, cases).run()
    read_only(store, monkeypatch)
    assert automatic(small.Training(store, cases), 1.0, small.views).run() == wanted and not ours(caplog)


def test_validation_from_images_is_what_it_is_without_a_cache(small, store, cases):
    training = automatic(small.Training(store, cases), 1e-6, small.views)
    dataset = training.dataset()
    dataset.transform = Compose(small.prepare())
    cache = training.cache(True)
    data = cache.validation(dataset, SimpleInferer())
    cache.fill()
    assert all(torch.equal(data[case]["image"], dataset[case]["image"]) for case in range(len(cases)))


def test_the_number_of_views_that_is_offered_has_room(small, store, cases):
    small.Training(store, cases).run()
    other = small.Training(store / "other", cases).cache(1000)
    other.root = store
    other.dtype = "bfloat16"  # which makes another cache
    other.training(small.Training(store, cases).dataset(), SimpleInferer())
    kept = kept_bytes(store)
    other.budget = 2 * kept / 1e9
    with pytest.raises(CacheRoomError, match="--cache_features") as refused:
        other.fill()
    fits = int(re.search(r"Give --cache_features (\d+)", str(refused.value))[1])
    view = other.datasets[0].least_bytes() / 1000
    assert kept + fits * view <= 2 * kept < kept + (fits + 1) * view, "what others keep is not this training's"


def test_a_cache_without_its_header_is_listed_and_cleared(small, store, cases):
    small.Training(store, cases).run()
    [folder] = caches_in(store)
    (folder / HEADER).unlink()
    (store / "mine").mkdir()
    assert folder.name in table(store) and "mine" not in table(store)
    clear(store)
    assert [path.name for path in store.iterdir()] == ["mine"] and not kept_bytes(store)


def test_a_cache_that_was_never_filled_is_cleared_and_not_listed(small, store, cases):
    """Such as that of a training that was refused for want of room once its folder was held."""
    small.Training(store, cases).run()
    [folder] = caches_in(store)
    empty = store / ("0" * len(folder.name))
    empty.mkdir()
    assert folder.name in table(store) and empty.name not in table(store)
    assert empty.name in table(store, [empty.name]) and "Deleted 2 caches" in clear(store)
    assert not empty.exists() and table(store).endswith("no cached activations")


@pytest.mark.parametrize("wrong", [7, ["a"], "\x1b[31mred", "two\nlines"])
def test_what_a_header_says_does_not_break_the_list(small, store, cases, wrong):
    small.Training(store, cases).run()
    [folder] = caches_in(store)
    before = table(store).splitlines()
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps({**header, "of": wrong, "source": wrong}))
    after = table(store).splitlines()
    assert len(after) == len(before) and "\x1b" not in "".join(after) and folder.name in after[1]

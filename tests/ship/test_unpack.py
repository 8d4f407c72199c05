"""Archives from elsewhere: fetched with their hash, judged, and unpacked whole or not at all."""

import hashlib
import json
import os
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dvpt_monai import __main__ as command_line
from dvpt_monai.errors import BundleError
from dvpt_monai.ship.audit.members import members
from dvpt_monai.ship.unpack import unpack
from tests.ship.archives import link, packed

METADATA = ("eyes/configs/metadata.json", json.dumps({"version": "1.0.0"}))


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_pack_writes_comes_back(tmp_path):
    archive = packed(tmp_path / "eyes.zip", METADATA, ("eyes/docs/README.md", "text"), ("eyes/models/", ""))
    folder = unpack(archive, tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b" / "eyes" and (folder / "docs" / "README.md").read_text() == "text"
    with pytest.raises(BundleError, match="is there already"):
        unpack(archive, tmp_path / "a" / "b")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (("../evil.txt", "x"), "outside"),
        (("/tmp/evil-of-a-test", "x"), "outside"),
        (("eyes/../../evil", "x"), "outside"),
        (("eyes\\..\\..\\evil", "x"), "outside"),
        (("C:\\evil", "x"), "outside"),
        ((link("eyes/link"), "/etc/passwd"), "is a link"),
        (("eyes/bomb.txt", b"0" * (50 << 20)), "grows"),
        (("eyes/configs/Metadata.json", "{}"), "comes twice"),
        (("mouth/configs/metadata.json", "{}"), "not one folder"),
        (("eyes/configs/metadata.json/below", "x"), "cannot be unpacked"),
    ],
)
def test_what_is_not_unpacked(tmp_path, entry, words):
    archive = packed(tmp_path / "eyes.zip", METADATA, entry)
    with pytest.raises(BundleError, match=words):
        unpack(archive, tmp_path / "out")
    assert everything(tmp_path) in (["eyes.zip"], ["eyes.zip", "out"]) and not os.path.exists("/tmp/evil-of-a-test")


def test_more_files_or_bytes_than_a_bundle_has(tmp_path, monkeypatch):
    archive = packed(tmp_path / "eyes.zip", METADATA, *((f"eyes/docs/{i}", "x" * 9) for i in range(20)))
    limits = sys.modules["dvpt_monai.ship.audit.members"]
    monkeypatch.setattr(limits, "FILES", 10)
    with pytest.raises(BundleError, match="21 files, of at most 10"):
        unpack(archive, tmp_path / "out")
    monkeypatch.setattr(limits, "LARGEST", 100)
    with pytest.raises(BundleError, match="bytes, of at most 100"):
        unpack(archive, tmp_path / "out")


def test_a_damaged_archive_leaves_nothing(tmp_path):
    archive = tmp_path / "eyes.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr(*METADATA)
        file.writestr("eyes/docs/README.md", "a text that is damaged")
    archive.write_bytes(archive.read_bytes().replace(b"that is damaged", b"that was damage"))
    with pytest.raises(BundleError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == []
    [text] = [member for member in members(archive) if member.name.endswith(".md")]
    with pytest.raises(BundleError, match=r"README\.md is damaged"):
        text.read(-1)


# --- the command


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address where it is served."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def download(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["dvpt_monai", "download", *map(str, words)])
    code = 0
    try:
        command_line.main()
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    return code, said.out + said.err


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_bundle_is_fetched_judged_and_unpacked(served, tmp_path, monkeypatch, capsys):
    folder, url = served
    archive = packed(folder / "eyes_v1.zip", METADATA, ("eyes/models/adapter.safetensors", "x"))
    out = tmp_path / "bundles"
    code, said = download(monkeypatch, capsys, f"{url}/eyes_v1.zip", "--sha256", digest(archive), "--out", out)
    assert code == 0 and f"python -m dvpt_monai complete {out}/eyes" in said
    assert sorted(path.name for path in out.iterdir()) == ["eyes"]


def test_another_hash_or_a_hostile_config_leaves_nothing(served, tmp_path, monkeypatch, capsys):
    folder, url = served
    sentinel, out = tmp_path / "sentinel", tmp_path / "bundles"
    config = json.dumps({"a": {"_target_": "os.system", "command": f"touch {sentinel}"}})
    archive = packed(folder / "eyes.zip", METADATA, ("eyes/configs/train.json", config))
    code, said = download(monkeypatch, capsys, f"{url}/eyes.zip", "--sha256", "0" * 64, "--out", out)
    assert code == 1 and "sha256" in said and "it was not kept" in said
    code, said = download(monkeypatch, capsys, f"{url}/eyes.zip", "--sha256", digest(archive), "--out", out)
    assert code == 1 and "builds os.system" in said
    assert not sentinel.exists() and list(out.iterdir()) == []
    code, said = download(monkeypatch, capsys, f"{url}/eyes.zip", "--out", out)
    assert code == 2 and "--sha256" in said

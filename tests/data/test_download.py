"""Downloads from a server on this machine: whole, cut short, stalled, of another content, not there."""

import hashlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dvpt_monai.data import MEDMNIST, fetch_medmnist, medmnist_folder, medmnist_sets
from dvpt_monai.data.download import download
from dvpt_monai.errors import DataError

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """`files` by path; what the path ends in says how it is sent."""

    daemon_threads = True
    files: dict
    asked: list


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path not in self.server.files:
            self.send_error(404)
            return
        content, how = self.server.files[path]
        self.send_response(200)
        if how != "no length":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content if how in ("whole", "no length") else content[:half])
        if how == "stalls":
            self.server.over.wait(20)
        while how == "trickles" and not self.server.over.wait(0.05):
            self.wfile.write(b"x")

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.over = {}, [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("how", ["whole", "no length"])
def test_a_whole_file(server, tmp_path, how):
    server.files["/a.npz"] = CONTENT, how
    download(f"{server.url}/a.npz?download=1", tmp_path / "deep" / "a.npz", MD5)
    assert (tmp_path / "deep" / "a.npz").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.npz"]


def test_a_sha256_in_place_of_an_md5(server, tmp_path):
    server.files["/a.zip"] = CONTENT, "whole"
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    download(f"{server.url}/a.zip", tmp_path / "a.zip", sha256=sha256.upper())
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    with pytest.raises(DataError, match=f"sha256 {sha256}, expected {'0' * 64}; it was not kept"):
        download(f"{server.url}/a.zip", tmp_path / "b.zip", sha256="0" * 64)
    assert not (tmp_path / "b.zip").exists()


def test_nothing_is_downloaded_without_a_hash_or_from_a_file(server, tmp_path):
    with pytest.raises(DataError, match="neither its md5 nor its sha256"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip")
    (tmp_path / "mine").write_bytes(CONTENT)
    with pytest.raises(DataError, match="https://"):
        download((tmp_path / "mine").as_uri(), tmp_path / "a.zip", MD5)
    assert server.asked == []


def test_what_never_ends_is_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr("dvpt_monai.data.download.LARGEST", 1000)
    server.files["/a.zip"] = CONTENT, "whole"
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip", MD5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("breaks off", "broke off after 128000 of 256000 bytes|IncompleteRead|Connection"),
        ("stalls", "timed out"),
        ("trickles", "stalled after"),
        ("other content", "md5 .*, expected .*; it was not kept"),
        ("not there", "HTTP Error 404"),
    ],
)
def test_what_is_not_the_file_leaves_nothing_behind(server, tmp_path, how, words):
    if how != "not there":
        server.files["/a.npz"] = (b"other", "whole") if how == "other content" else (CONTENT, how)
    target, begin = tmp_path / "data" / "a.npz", time.monotonic()
    with pytest.raises(DataError, match=words) as error:
        download(f"{server.url}/a.npz", target, MD5, patience=0.4)
    assert time.monotonic() - begin < 10
    assert f"{server.url}/a.npz" in str(error.value) and f"by hand and put it at {target}" in str(error.value)
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_there_stays_when_a_download_fails(server, tmp_path):
    (tmp_path / "a.npz").write_bytes(b"mine")
    with pytest.raises(DataError):
        download(f"{server.url}/a.npz", tmp_path / "a.npz", MD5)
    assert (tmp_path / "a.npz").read_bytes() == b"mine"


def test_without_a_network(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=rf"127\.0\.0\.1:{port}/a\.npz cannot be downloaded .*by hand"):
        download(f"http://127.0.0.1:{port}/a.npz", tmp_path / "a.npz", MD5, patience=2)


class TestMedMNIST:
    @pytest.fixture
    def home(self, server, tmp_path, monkeypatch):
        """RetinaMNIST's official home, with a small set in place of the real one."""
        monkeypatch.delenv("DVPT_DATA", raising=False)
        monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(medmnist_sets, "FILES", f"{server.url}/files")
        values = {f"{split}_images": np.full((2, 8, 8, 3), 7, np.uint8) for split in ("train", "val", "test")}
        values |= {f"{split}_labels": np.uint8([[0], [4]]) for split in ("train", "val", "test")}
        np.savez(tmp_path / "small.npz", **values)
        content = (tmp_path / "small.npz").read_bytes()
        monkeypatch.setitem(MEDMNIST["retinamnist"].md5, 224, hashlib.md5(content).hexdigest())
        server.files["/files/retinamnist_224.npz"] = content, "whole"
        return tmp_path / "cache" / "data"

    def test_it_is_fetched_once_and_unpacked(self, home, server):
        folder = medmnist_folder("retinamnist", 224)
        assert folder == home / "retinamnist_224"
        assert (folder / "labels.csv").read_text().splitlines()[:2] == [
            "image,split,dr_grade",
            "images/train_0000.png,train,0",
        ]
        assert fetch_medmnist("retinamnist_224") == home / "medmnist" / "retinamnist_224.npz"
        assert medmnist_folder("retinamnist_224") == folder
        assert server.asked == ["/files/retinamnist_224.npz"]

    def test_it_is_unpacked_elsewhere_from_the_same_file(self, home, server, tmp_path):
        for _ in range(2):
            assert medmnist_folder("retinamnist", 224, tmp_path / "out") == tmp_path / "out" / "retinamnist_224"
        assert medmnist_folder("retinamnist", 224, tmp_path / "other").is_dir()
        assert len(server.asked) == 1 and not (home / "retinamnist_224").exists()

    def test_a_damaged_file_in_the_cache_is_fetched_again(self, home, server):
        path = fetch_medmnist("retinamnist", 224)
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert fetch_medmnist("retinamnist", 224).read_bytes() == whole
        assert len(server.asked) == 2

    def test_what_is_not_there_names_the_address_and_the_place(self, home, server):
        with pytest.raises(DataError, match=r"files/bloodmnist\.npz\?download=1 .*404.*data/medmnist/bloodmnist\.npz"):
            medmnist_folder("bloodmnist")

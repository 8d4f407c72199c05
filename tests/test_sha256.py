"""A file is read once for its hash, and again as soon as it may have changed."""

import hashlib
import os

import pytest

from dvpt_monai import sha256
from dvpt_monai.sha256 import sha256_of

OLD = 1_700_000_000


@pytest.fixture
def reads(monkeypatch):
    """How often files were read for their hash."""
    calls, digest = [], sha256._digest
    monkeypatch.setattr(sha256, "_digest", lambda paths: calls.append(paths) or digest(paths))
    sha256._remembered.cache_clear()
    yield calls
    sha256._remembered.cache_clear()


def write(path, data, seconds=OLD):
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))
    return path


def test_a_file_is_read_once(tmp_path, reads):
    path = write(tmp_path / "a", b"abc")
    (tmp_path / "folder").mkdir()
    for name in (path, str(path), tmp_path / "folder" / ".." / "a"):
        assert sha256_of(name) == hashlib.sha256(b"abc").hexdigest()
    assert len(reads) == 1


def test_several_files_are_one_after_the_other(tmp_path, reads):
    first, second = write(tmp_path / "a", b"abc"), write(tmp_path / "b", b"def")
    assert sha256_of(first, second) == hashlib.sha256(b"abcdef").hexdigest()
    assert sha256_of(second, first) == hashlib.sha256(b"defabc").hexdigest()


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_file_that_may_have_changed_is_read_again(tmp_path, reads, change):
    path = write(tmp_path / "a", b"abc")
    sha256_of(path)
    if change == "inode":
        os.replace(write(tmp_path / "b", b"xyz"), path)
    else:
        write(path, b"longer" if change == "size" else b"xyz", OLD if change == "size" else OLD + 1)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(reads) == 2


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, reads):
    """It could be written again within the resolution of its time."""
    path = tmp_path / "a"
    for data in (b"abc", b"xyz"):
        path.write_bytes(data)
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns // 10**9 * 10**9))
        assert sha256_of(path) == hashlib.sha256(data).hexdigest()
    assert len(reads) == 2

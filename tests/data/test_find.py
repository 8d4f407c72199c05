from pathlib import Path

import pytest

from dvpt_monai.data import find_data
from dvpt_monai.errors import DataError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A machine with nothing on it."""
    monkeypatch.delenv("DVPT_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work" / "project").mkdir(parents=True)
    return tmp_path


def test_the_first_place_that_exists_wins(home, monkeypatch):
    monkeypatch.setenv("DVPT_DATA", str(home / "own"))
    with pytest.raises(DataError, match="no data set 'eyes'"):
        find_data("eyes")
    for place in ("cache/data", "own"):
        folder = home / place / "eyes"
        folder.mkdir(parents=True)
        assert find_data("eyes") == folder
    monkeypatch.delenv("DVPT_DATA")
    assert find_data("eyes") == home / "cache/data/eyes"


def test_the_cache_follows_the_environment(home, monkeypatch):
    monkeypatch.delenv("DVPT_CACHE")
    monkeypatch.setenv("HOME", str(home))
    for place in (".cache/dvpt_monai/data", "xdg/dvpt_monai/data"):
        (home / place / "eyes").mkdir(parents=True)
    assert find_data("eyes") == home / ".cache/dvpt_monai/data/eyes"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert find_data("eyes") == home / "xdg/dvpt_monai/data/eyes"


def test_no_other_folder_is_looked_in(home, monkeypatch):
    """Not beside the current folder, nor beside a bundle: what lies there may be another's."""
    (home / "work/shared/data/eyes").mkdir(parents=True)
    monkeypatch.chdir(home / "work/project")
    with pytest.raises(DataError, match="no data set 'eyes'") as error:
        find_data("eyes")
    assert "shared" not in str(error.value)
    with pytest.warns(DeprecationWarning, match="start= is ignored"), pytest.raises(DataError, match="no data set"):
        find_data("eyes", start=home / "work" / "project")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("idrid_grading", "write_fundus"),
        ("Task04_Hippocampus", "DecathlonDataset"),
        ("adrenalmnist3d_64", "dvpt_monai medmnist adrenalmnist3d_64"),
        ("eyes", "set DVPT_DATA"),
    ],
)
def test_says_where_it_looked_and_what_to_do(home, name, remedy):
    with pytest.raises(DataError, match=f"(?s){remedy}.*{Path('cache', 'data', name)}"):
        find_data(name)


@pytest.mark.parametrize("name", ["", "/", "a/b", ".."])
def test_refuses_what_is_no_name(home, name):
    with pytest.raises(DataError, match="not the name of a folder"):
        find_data(name)

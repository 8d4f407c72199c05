"""Where the cache lies."""

from pathlib import Path

import pytest

from dvpt_monai.cache import cache


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DVPT_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/dvpt_monai"),
        ({"HOME": "/home/x", "DVPT_CACHE": "~/weights"}, "/home/x/weights"),
        ({"HOME": "/home/x"}, "/home/x/.cache/dvpt_monai"),
        ({"HOME": "/home/x", "DVPT_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/x/.cache/dvpt_monai"),
    ],
)
def test_the_cache_is_where_the_environment_says(monkeypatch, variables, expected):
    for name in ("DVPT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache() == Path(expected)

"""A config reads its own paragraphs."""

import pytest
from monai.bundle import ConfigParser

from dvpt_monai.bundle import written
from dvpt_monai.errors import BundleError, reason

CONTENT = {"imports": ["$import dvpt_monai.bundle as bundle"], "window": {"overlap": 0.5, "size": "@size"}, "size": 4}


def asked(names, **changes):
    parser = ConfigParser({**CONTENT, "asks": f"$bundle.written({names})"})
    parser.update(changes)
    return parser.get_parsed_content("asks")


def test_what_was_changed_counts_and_what_is_referred_to_does_not():
    assert asked("'window'") == {"window": CONTENT["window"]}
    assert asked("'window'", **{"window#overlap": 0.25}) == {"window": {"overlap": 0.25, "size": "@size"}}
    assert asked("'window'", size=8) == {"window": CONTENT["window"]}


def test_a_paragraph_that_is_not_there():
    with pytest.raises(RuntimeError) as raised:
        asked("'window', 'windows'")
    assert str(reason(raised.value)).startswith("written('windows'): no config that asks has it")
    with pytest.raises(BundleError, match="no config"):
        written("window")

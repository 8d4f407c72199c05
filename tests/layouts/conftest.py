"""Small data sets in every layout."""

import pytest

from tests.small_data import Data


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path / "my data")  # with a space, as users' folders have

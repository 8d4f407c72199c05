"""A folder that cannot be written is found before anything is computed for it."""

import os

import pytest

from dvpt_monai.bundle import check_writable
from dvpt_monai.errors import BundleError, reason

pytestmark = pytest.mark.filterwarnings("ignore")


def test_it_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "output").write_text("")
    with pytest.raises(BundleError, match=r"output: cannot be written .* --output_dir DIR"):
        check_writable(tmp_path / "output")


def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("nothing is read-only for root; setpriv --bounding-set=-dac_override takes that away")
    with pytest.raises(BundleError, match="cannot be written"):
        check_writable(tmp_path)


@pytest.mark.bundle
@pytest.mark.parametrize("configs", [["train"], ["train", "evaluate"], ["inference"]])
def test_no_command_computes_what_it_cannot_write(fundus, configs, tmp_path):
    """A training ends before its first step, with no network in its folder."""
    (tmp_path / "output").write_text("")
    with pytest.raises(Exception) as raised:
        fundus.run(*configs, output_dir=str(tmp_path / "output"), models_dir=str(tmp_path / "models"))
    assert isinstance(reason(raised.value), BundleError) and "--output_dir" in str(reason(raised.value))
    assert not list(tmp_path.glob("models/*.pt"))

"""``verify`` from the command line."""

from click.testing import CliRunner

from dvpt_monai.commands.verify import verify
from tests.verify import damages
from tests.verify.data_sets import eyes, volumes


def test_the_exit_code_tells_whether_anything_is_fatal(tmp_path):
    folder = volumes(tmp_path / "data")
    assert CliRunner().invoke(verify, ["--data", str(folder), "--workers", "1"]).exit_code == 0
    damages.VOLUMES["nan_voxel"][1](folder, 3)
    ended = CliRunner().invoke(verify, ["--data", str(folder), "--workers", "1"])
    assert ended.exit_code == 1 and "imagesTr/v003.nii.gz" in ended.output


def test_columns_and_patients(tmp_path):
    folder = eyes(tmp_path / "eyes")
    words = ["--data", str(folder), "--label-column", "grade", "--group-pattern", "e0", "--workers", "1"]
    ended = CliRunner().invoke(verify, words)  # the pattern makes one patient of all
    assert ended.exit_code == 1 and "One patient in two parts" in ended.output, ended.output

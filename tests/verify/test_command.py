"""The command: its table, its JSON, its exit code."""

import json

import pytest

from dvpt_monai.verify import fix, table, verify
from dvpt_monai.verify.command import run
from tests.verify import damages
from tests.verify.data_sets import volumes


@pytest.fixture
def damaged(tmp_path):
    folder = volumes(tmp_path / "data")
    for number in range(6):
        damages.VOLUMES["flipped_bit"][1](folder, number)
    damages.VOLUMES["mask_in_floating_point"][1](folder, 8)
    return folder


def test_fatal_findings_end_with_1_and_all_stands_in_the_json(damaged, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(str(damaged), json=str(tmp_path / "report.json"), fix=str(tmp_path / "fixed"), workers=1)
    assert ended.value.code == 1
    written = json.loads((tmp_path / "report.json").read_text())
    found = [(each["code"], each["severity"], each["file"]) for each in written["findings"]]
    assert found[:6] == [("corrupt", "fatal", f"imagesTr/v{number:03}.nii.gz") for number in range(6)]
    assert all(each[key] for each in written["findings"] for key in ("what", "why", "remedy"))
    assert len(written["files"]) == 12 and written["files"][11]["size"] == [16, 14, 12]
    assert [each["copy"] is not None for each in written["fixed"]].count(True) == 1
    printed = capsys.readouterr().out
    assert "labelsTr/v008.nii.gz" in printed and "Nothing that can be mended" not in printed


def test_clean_data_end_with_0(tmp_path, capsys):
    run(str(volumes(tmp_path / "data", count=2)), workers=1)
    assert capsys.readouterr().out.endswith("Nothing found\n")


def test_fix_says_that_there_is_nothing_to_mend(tmp_path, capsys):
    run(str(volumes(tmp_path / "data", count=2)), fix=str(tmp_path / "fixed"), workers=1)
    assert f"Nothing that can be mended with certainty: {tmp_path / 'fixed'} was not written" in capsys.readouterr().out
    assert not (tmp_path / "fixed").exists()


def test_the_table_fits_a_terminal_and_a_log(damaged, tmp_path):
    report = verify(damaged, workers=1, progress=False)
    plain = table(report, fix(report, tmp_path / "fixed"))
    assert max(map(len, plain.splitlines())) <= 100 and "\x1b" not in plain
    assert "imagesTr/v003.nii.gz" in plain and "imagesTr/v004.nii.gz" not in plain and "and 2 more" in plain
    assert "Compressed data are damaged" in plain and "fetch the file again" in plain
    assert max(map(len, table(report, width=60).splitlines())) <= 60
    assert "\x1b[" in table(report, colour=True)

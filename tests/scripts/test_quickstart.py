"""Which data the quickstart takes, with a Python that only says what it was asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FAKE = r"""#!/usr/bin/env bash
# at_hand and downloads are folders of data sets; a download moves one from there to here
case "$*" in
    "- "*)
        if grep -q "signal.alarm"; then
            [[ -d $FAKE/downloads/$2 ]] || { echo "$2 cannot be downloaded: no network" >&2; exit 1; }
            echo "download $2" >>"$FAKE/log"
            mv "$FAKE/downloads/$2" "$FAKE/at_hand/"
        else
            [[ -d $FAKE/at_hand/$2 ]] && echo "$FAKE/at_hand/$2"
        fi ;;
    *" phantoms "*)
        mkdir -p "${!#}"/{idrid_grading,Task04_Hippocampus}
        touch "${!#}"/{idrid_grading,Task04_Hippocampus}/PHANTOM.txt ;;
    *"monai.bundle run"*)
        echo "$*" >>"$FAKE/log"
        while (($#)); do [[ $1 == --output_dir ]] && out=$2; shift; done
        out=${out%/inference}
        mkdir -p "$out/models" "$out/inference"
        touch "$out"/{models/adapter.safetensors,metrics.csv,scores.png,predictions.png,curves.png} ;;
    "-c "*) echo "kappa 1" ;;
esac
"""


@pytest.fixture
def quickstart(tmp_path, repository):
    """`quickstart("--bundle", "both", at_hand=[...], downloads=[...])` is what was said, and what was run."""
    checkout, fake = tmp_path / "work" / "checkout", tmp_path / "fake"
    shutil.copytree(repository / "scripts", checkout / "scripts")
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, checkout)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text(FAKE)
    (checkout / ".venv" / "bin" / "python").chmod(0o755)

    def run(*words, at_hand=(), downloads=(), **environment):
        for folder, names in (("at_hand", at_hand), ("downloads", downloads)):
            shutil.rmtree(fake / folder, ignore_errors=True)
            (fake / folder).mkdir(parents=True)
            for name in names:
                (fake / folder / name).mkdir()
        (fake / "log").write_text("")
        values = {key: value for key, value in os.environ.items() if key != "DVPT_DATA"}
        done = subprocess.run(
            [checkout / "scripts" / "quickstart.sh", *map(str, words)],
            env={**values, "FAKE": str(fake), **environment}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done, (fake / "log").read_text().splitlines()

    return run


def trained(log):
    """The data sets that trained, in their order."""
    lines = [line.split() for line in log if " training " in line]
    return [Path(line[line.index("--dataset_dir") + 1]).name for line in lines]


IDRID, RETINA, HIPPOCAMPUS = "idrid_grading", "retinamnist_224", "Task04_Hippocampus"


@pytest.mark.parametrize(
    ("words", "at_hand", "downloads", "expected"),
    [
        ((), [IDRID, RETINA], [], [IDRID]),
        ((), [RETINA], [], [RETINA]),
        ((), [], [RETINA, HIPPOCAMPUS], [RETINA]),
        ((), [HIPPOCAMPUS], [RETINA], [RETINA]),
        ((), [], [HIPPOCAMPUS], [HIPPOCAMPUS]),
        (("--bundle", "both"), [IDRID, HIPPOCAMPUS], [], [IDRID, HIPPOCAMPUS]),
        (("--bundle", "both"), [], [RETINA, HIPPOCAMPUS], [RETINA, HIPPOCAMPUS]),
        (("--bundle", "hippocampus"), [IDRID], [HIPPOCAMPUS], [HIPPOCAMPUS]),
    ],
)
def test_real_data_go_before_phantoms(quickstart, words, at_hand, downloads, expected):
    done, log = quickstart(*words, at_hand=at_hand, downloads=downloads)
    assert done.returncode == 0, done.stderr
    assert trained(log) == expected and "PHANTOM" not in done.stdout
    epochs = {IDRID: "6", RETINA: "2", HIPPOCAMPUS: "2"}
    assert [line.rsplit("--epochs ", 1)[1] for line in log if " training " in line] == [
        epochs[name] for name in expected
    ]


@pytest.mark.parametrize(
    ("words", "downloads", "expected"),
    [
        ((), [], [IDRID]),
        (("--bundle", "fundus"), [HIPPOCAMPUS], [IDRID]),
        (("--bundle", "both"), [HIPPOCAMPUS], [IDRID, HIPPOCAMPUS]),
    ],
)
def test_phantoms_where_nothing_can_be_had(quickstart, words, downloads, expected):
    done, log = quickstart(*words, downloads=downloads)
    assert done.returncode == 0, done.stderr
    assert trained(log) == expected and "a shortened training on PHANTOMS, generated images" in done.stdout
    assert "retinamnist_224 cannot be downloaded: no network" in done.stderr


def test_a_folder_of_ones_own_is_the_only_place(quickstart, tmp_path):
    (tmp_path / "mine" / IDRID).mkdir(parents=True)
    done, log = quickstart("--data", "mine", at_hand=[HIPPOCAMPUS], downloads=[RETINA])
    assert trained(log) == [IDRID] and str(tmp_path / "mine" / IDRID) in done.stdout
    done, log = quickstart("--data", "mine", "--bundle", "both", at_hand=[HIPPOCAMPUS], downloads=[RETINA])
    assert done.returncode == 1 and "--data" in done.stderr and not log


@pytest.mark.parametrize("words", [("--bundle", "lungs"), ("--data", "gone"), ("--speed", "1"), ("--data",)])
def test_wrong_words_are_refused_before_the_work(quickstart, words):
    done, log = quickstart(*words)
    assert done.returncode == 1 and done.stderr and not log


def test_the_environment_goes_before_the_folder_beside_the_checkout(quickstart, tmp_path):
    (tmp_path / "work" / "shared" / "data").mkdir(parents=True)
    python = tmp_path / "work" / "checkout" / ".venv" / "bin" / "python"
    python.write_text(FAKE.replace('case "$*" in', 'echo "DVPT_DATA=$DVPT_DATA" >>"$FAKE/log"\ncase "$*" in'))
    _, log = quickstart(at_hand=[IDRID])
    assert any(line.startswith("DVPT_DATA=") and line.endswith("checkout/../shared/data") for line in log)
    _, log = quickstart(at_hand=[IDRID], DVPT_DATA="/own")
    assert {line for line in log if line.startswith("DVPT_DATA=")} == {"DVPT_DATA=/own"}

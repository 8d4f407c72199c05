"""The table of what each method costs, on a small network: each number is there, and of the right size."""

import csv
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
ONLY = "DVPT(layers,LoRA(),SideDVPT(),the floor"


@pytest.fixture(scope="module")
def written(repository, tmp_path_factory):
    """What the script printed, and its folder."""
    out = tmp_path_factory.mktemp("costs")
    command = [sys.executable, str(repository / "scripts" / "benchmark_methods.py")]
    command += ["--networks", "tiny", "--rounds", "5", "--only", ONLY, "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, out


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_candidate_is_compared_in_every_round(written):
    table = {row["method"]: row for row in rows(written[1] / "costs.csv")}
    names = {"DVPT(layers=range(4, 6))", "DVPT(layers=range(4, 6)) cached", "LoRA()", "SideDVPT()", "SideDVPT() cached",
             "SideDVPT() in float16", "the floor", "FullFineTuning()"}  # fmt: skip
    assert names <= table.keys() <= names | {"LoRA() of peft"}
    by_round = rows(written[1] / "rounds.csv")
    for name, row in table.items():
        steps = sorted(float(each["step"]) for each in by_round if each["method"] == name)
        assert len(steps) == 5 and float(row["step"]) == pytest.approx(steps[2])
        assert steps[0] <= float(row["step_low"]) <= float(row["step"]) <= float(row["step_high"]) <= steps[-1]
        assert bool(row["inference"]) == (not name.endswith("cached") and name != "the floor")
        cached = name.endswith("cached")  # where the frozen weights lie in a file
        assert int(row["memory_bytes"]) > (0 if cached else 4 * 123936) and int(row["process_bytes"]) > 0
        assert not cached or int(row["memory_bytes"]) < int(table[name.removesuffix(" cached")]["memory_bytes"])
    assert int(table["SideDVPT() in float16"]["memory_bytes"]) < int(table["SideDVPT()"]["memory_bytes"])
    full = table["FullFineTuning()"]
    assert float(full["step"]) == float(full["memory_of_full"]) == float(full["process_of_full"]) == 1
    late = table["DVPT(layers=range(4, 6))"]
    assert int(table["DVPT(layers=range(4, 6)) cached"]["memory_bytes"]) < int(full["memory_bytes"])
    assert int(late["memory_bytes"]) < int(full["memory_bytes"])


def test_the_page_and_the_figure(written):
    text, out = written
    lines = re.findall(r"^\| `.*$", text, re.MULTILINE)
    assert len(lines) == len(rows(out / "costs.csv"))
    assert re.search(r"\| 1\.00 \(1\.00-1\.00\) \|", lines[-1])
    assert (out / "tiny.png").stat().st_size > 10_000

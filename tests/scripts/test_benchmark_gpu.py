"""The script for a GPU runs on a CPU too, where it tells no memory."""

import re
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_every_method_has_a_row(repository):
    command = [sys.executable, str(repository / "scripts" / "benchmark_gpu.py"), "--device", "cpu", "--network", "tiny"]
    command += ["--batch", "2", "--rounds", "2", "--compiled", "False"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = re.findall(r"^\| `(\w+)` \|  \| [\d.]+ \([\d.]+-[\d.]+\) \| ([\d.]+) \|", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows] == ["FullFineTuning", "LoRA", "DVPT", "SideDVPT", "LinearProbe"]
    assert rows[0][1] == "1.00"

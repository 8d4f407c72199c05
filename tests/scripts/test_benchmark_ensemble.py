"""The table of the ensemble comes from the probabilities that are kept, without a training."""

import importlib.util
import re
import shutil


def test_the_page_has_the_numbers_that_the_kept_probabilities_give(repository, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("ensemble", repository / "scripts" / "benchmark_ensemble.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    kept = shutil.copytree(repository / "benchmarks" / "fundus_ensemble", tmp_path / "kept")
    script.main(out=str(kept))
    rows = dict(re.findall(r"^\| (.*) \| (.*) \|$", capsys.readouterr().out, re.MULTILINE))
    page = " ".join((repository / "docs" / "results.md").read_text().split())
    for name in ("ensemble of 5", "ensemble minus the mean member", "minus seed 3"):
        assert rows[name] in page
    assert all(rows[f"seed {seed}"].split()[0] in page for seed in range(5))
    assert sorted(path.suffix for path in kept.iterdir()) == [".npz"] * 25, "nothing was trained"

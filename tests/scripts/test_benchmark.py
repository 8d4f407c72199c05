"""Every study that docs/results.md names runs, on phantoms with tiny networks."""

import importlib.util
import re
import shlex
from pathlib import Path

import fire
import pytest

from dvpt_monai.compare.runs import read_rows

TINY = {"epochs": 1, "tap": 1, **{f"backbone#{name}": value for name, value in
        {"hidden_size": 24, "mlp_dim": 48, "num_layers": 3, "num_heads": 2}.items()}}  # fmt: skip

DEEP = {
    "fundus_sizes_folds": {"tap": "$None", "backbone#num_layers": 11},
    "fundus_few_parts": {"tap": 6, "image_size": 112},
}
"""Studies that read blocks, or put prompts into places, which TINY has not."""


def loaded():
    scripts = Path(__file__).parents[2] / "scripts"
    spec = importlib.util.spec_from_file_location("benchmark", scripts / "benchmark.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(scripts)
        spec.loader.exec_module(module)
    module.STUDIES = {name: dict(settings) for name, settings in module.STUDIES.items()}
    return module


STUDIES = list(loaded().STUDIES)
COMMANDS = ("run", "table", "difference")


@pytest.fixture
def benchmark():
    return loaded()


@pytest.fixture
def tiny(request):
    """Options with which a bundle's study is small."""

    def of(bundle):
        if bundle.startswith("fundus"):
            data, more = (
                request.getfixturevalue("fundus").data,
                {"image_size": 28, "folds": 2, "backbone#num_layers": 6},
            )
        elif bundle.startswith("adrenal"):
            more = {"image_size": 16, "patch_size": 8, "folds": 2, "backbone#num_layers": 8}
            data = request.getfixturevalue("adrenal").data
        else:
            more = {"feature_size": 2, "folds": 2, "tap": "$None"}
            data = request.getfixturevalue("hippocampus").data
        return {**TINY, "dataset_dir": str(data), "backbone_weights": "random", **more}

    return of


def named(repository):
    """The lines that the page has, with each study in the place of STUDY."""
    text = (repository / "docs" / "results.md").read_text()
    lines = re.findall(r"`(?:python )?scripts/benchmark\.py ([^`]*)`", text)
    studies = re.findall(rf"`({'|'.join(STUDIES)})`", text)
    assert lines and studies
    return {line.replace("STUDY", study) for line in lines for study in studies}


def test_the_page_names_studies_that_there_are(repository, benchmark, monkeypatch):
    taken = []
    monkeypatch.setattr(benchmark, "compare", lambda *arguments, **settings: taken.append(settings) or Told())
    lines = named(repository)
    for line in lines:
        fire.Fire({name: getattr(benchmark, name) for name in COMMANDS}, command=shlex.split(line))
    assert (
        len(taken) == sum(line.startswith("run ") for line in lines)
        and {"device": "cuda"}.items()
        <= {name: value for settings in taken for name, value in settings["options"].items()}.items()
    )
    with pytest.raises(SystemExit, match="no study 'fundus_fold'"):
        benchmark.run("fundus_fold")


class Told:
    def table(self):
        return ""


@pytest.mark.bundle
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_runs(benchmark, tiny, study, tmp_path):
    settings = benchmark.STUDIES[study]
    settings |= {"seeds": 1} | ({"trials": 2} if "trials" in settings else {})
    settings["entrants"] = settings["entrants"][:6]  # all methods, of which one study has each, would take minutes
    text = benchmark.run(study, out=str(tmp_path), **{**tiny(settings["bundle"]), **DEEP.get(study, {})})
    rows = read_rows(tmp_path / "runs.csv").values()
    entrants = settings["entrants"]
    assert not [row["error"] for row in rows if row["error"]]
    folds = 2 if settings.get("score") == "folds" else 1
    scored = [row for row in rows if row["stage"] != "search"]
    assert len(scored) == len(entrants) * folds * len(settings.get("fractions", [1]))
    assert (len(rows) > len(scored)) == ("trials" in settings)
    assert all(str(entrant) in text for entrant in entrants)


def test_what_is_not_there_is_neither_kept_nor_shown(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    for command in (benchmark.keep, benchmark.table):
        with pytest.raises(SystemExit, match=r"no study '\.\./fundus'"):
            command("../fundus")
    with pytest.raises(SystemExit, match=r"runs.fundus has no runs\.csv; .* run fundus makes it"):
        benchmark.keep("fundus")
    with pytest.raises(SystemExit, match=r"nothing of fundus is kept; .* keep fundus"):
        benchmark.table("fundus")
    assert not list(tmp_path.iterdir())


def test_two_methods_of_kept_studies_differ_as_the_table_says(benchmark, repository):
    table = (repository / "benchmarks" / "fundus_methods_folds" / "table.md").read_text()
    (row,) = re.findall(r"\| FullFineTuning \|.*?(-[\d.]+ \[-[\d.]+, \+[\d.]+\])", table)
    told = benchmark.difference("fundus_methods_folds:FullFineTuning", "fundus_methods_folds:DVPT:1")
    assert told.endswith(f"FullFineTuning minus fundus_methods_folds:DVPT:1: {row} quadratic_kappa, 413 cases")
    across = "fundus_labels:SideDVPT:0.4", "fundus_methods_folds:FullFineTuning"
    gap, low, high = map(float, re.findall(r"[-+]0\.\d+", benchmark.difference(*across)))
    assert low < gap < high < 0 and abs(gap - (0.805 - 0.861)) < 0.001


def test_methods_that_nothing_pairs_do_not_differ(benchmark):
    with pytest.raises(SystemExit, match="no 'fundus_few:EPTT'; there is fundus_few:SideDVPT:1, fundus_few:DVPT:1"):
        benchmark.difference("fundus_few:EPTT", "fundus_few:EPT")
    with pytest.raises(SystemExit, match=r"no 'fundus_labels:SideDVPT:0\.5'"):
        benchmark.difference("fundus_labels:SideDVPT:0.5", "fundus_few:EPT")
    with pytest.raises(SystemExit, match="were not scored on the same cases by the same metric"):
        benchmark.difference("fundus_few:EPT", "adrenal_folds:linear probe")


@pytest.mark.slow
def test_what_is_kept_gives_its_table_without_a_run(benchmark, repository):
    kept = sorted(path.parent for path in (repository / "benchmarks").glob("*/runs.csv"))
    assert kept
    for folder in kept:
        before = (folder / "table.md").read_text()
        assert benchmark.table(folder.name)
        assert (folder / "table.md").read_text() == before, "the table is that of the rows"
        for row in read_rows(folder / "runs.csv").values():
            assert not row["error"] and (row["stage"] == "search" or row["method"] in before)

"""Compare tuning methods through a bundle's own command line, resumably.

    python scripts/benchmark.py run STUDY [--jobs 2] [--device cuda]   # train and evaluate whatever is not done yet
    python scripts/benchmark.py table STUDY                            # the table and its intervals, from finished runs

Studies: ``fundus`` (the official test split of IDRiD, which each run reads once, after its training has ended),
``fundus_folds`` (5-fold cross-validation inside the training split), ``hippocampus`` (40 held-out cases) and
``hippocampus_controls`` (what the backbone, its pre-training and the tuner are worth, at equal and shorter time).
Every run is a folder under ``runs/STUDY``: its log, its adapter, its predictions. A run with a metrics.json is done.
"""

import csv
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fire
import numpy as np
from sklearn.metrics import cohen_kappa_score
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
RESAMPLES = 2000
Options = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """Runs of one bundle that differ in the method, and in the seed or fold.

    Args:
        bundle: folder under ``bundles``.
        methods: options of each method, by the name in the table; the others are compared with the first.
        repeats: options of each repetition.
        common: options of every run.
    """

    bundle: str
    methods: dict[str, Options]
    repeats: tuple[Options, ...]
    common: Options

    @property
    def graded(self) -> bool:
        """Whether predictions are grades, scored by quadratic kappa; else cases, scored by their mean Dice."""
        return self.bundle.endswith("classification")


def _method(name: str, **options: Any) -> Options:
    return {"method": {"_target_": f"dvpt_monai.{name}"}, **options}


FUNDUS_METHODS = {
    "DVPT": _method("DVPT"),
    "full fine-tuning": _method("FullFineTuning", learning_rate=5e-5, head_learning_rate=5e-4),
    "full fine-tuning, 2e-5": _method("FullFineTuning", learning_rate=2e-5, head_learning_rate=5e-4),
    "linear probe": _method("LinearProbe"),
}
# Everything that is not the test set trains, and nothing is selected: one evaluation after the last epoch.
WHOLE = {"folds": 1, "val_interval": 100, "precision": "bfloat16"}
THREE_SEEDS = tuple({"seed": seed} for seed in range(3))
# A network of zeros in place of the backbone: the decoder sees the image through its own convolutions alone.
ZEROED = "$[n := @backbone(), n.vit.requires_grad_(False), [p.zero_() for p in n.vit.parameters()]][0]"

STUDIES = {
    "fundus": Study("fundus_dr_classification", FUNDUS_METHODS, THREE_SEEDS, WHOLE),
    "fundus_folds": Study(
        "fundus_dr_classification",
        FUNDUS_METHODS,
        tuple({"fold": fold} for fold in range(5)),
        {"precision": "bfloat16", "val_interval": 100, "test_cases": "@val_cases"},
    ),
    "hippocampus": Study("hippocampus_mri_segmentation", {"DVPT": _method("DVPT")}, ({"seed": 0},), WHOLE),
    "hippocampus_controls": Study(
        "hippocampus_mri_segmentation",
        {
            "DVPT": _method("DVPT"),
            "no tuner": _method("LinearProbe"),
            "random backbone, DVPT": _method("DVPT", backbone_weights="random"),
            "taps zeroed": _method("LinearProbe", pretrained=ZEROED),
        },
        THREE_SEEDS,
        {**WHOLE, "epochs": 3},
    ),
}


def run(study: str, jobs: int = 1, device: str | None = None, only: str | None = None) -> None:
    """Train and evaluate every run that is not done, several at a time.

    Args:
        study: one of the studies.
        jobs: runs at a time; each takes its share of the cores.
        device: for example ``cuda``; the bundle chooses otherwise.
        only: a method's name, to run it alone.
    """
    chosen = _study(study)
    todo = [
        (name, repeat)
        for repeat in chosen.repeats
        for name in chosen.methods
        if only in (None, name) and not (_folder(study, name, repeat) / "metrics.json").is_file()
    ]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))  # more threads than cores wait for each other
    bar = tqdm(total=len(todo), desc=study, unit="run")

    def one(job: tuple[str, Options]) -> None:
        name, repeat = job
        folder = _folder(study, name, repeat)
        folder.mkdir(parents=True, exist_ok=True)
        options = {**chosen.common, **chosen.methods[name], **repeat, "output_dir": folder, "models_dir": folder}
        if device:
            options["device"] = f"$torch.device('{device}')"
        configs = ROOT / "bundles" / chosen.bundle / "configs"
        both = f"['{configs / 'train.json'}','{configs / 'evaluate.json'}']"
        with open(folder / "log.txt", "w") as log:
            for program, files in (("training", str(configs / "train.json")), ("evaluating", both)):
                command = [sys.executable, "-m", "monai.bundle", "run", program, "--config_file", files]
                command += [part for key, value in options.items() for part in (f"--{key}", str(value))]
                environment = {**os.environ, "OMP_NUM_THREADS": threads}
                subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True, env=environment)
        bar.update()

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, todo))
    bar.close()
    if only is None:
        table(study)


def table(study: str) -> None:
    """Print the mean of every method with its bootstrap interval, and its paired difference to the first.

    Test cases are drawn with replacement, the same for all methods, and repetitions too; 2,000 times.
    """
    chosen = _study(study)
    scores = {name: _scores(study, chosen, name) for name in chosen.methods}
    done = {name: value for name, value in scores.items() if value}
    if not done:
        sys.exit(f"{study}: no finished runs; start them with: python scripts/benchmark.py run {study}")
    random = np.random.default_rng(0)
    cases = len(next(iter(done.values()))[0])
    draws = [(random.integers(cases, size=cases), random.random(16)) for _ in range(RESAMPLES)]
    first = next(iter(done))
    resampled = {name: np.array([_mean(chosen, runs, *draw) for draw in draws]) for name, runs in done.items()}
    unit = "quadratic kappa" if chosen.graded else "mean Dice"
    print(f"| method | runs | {unit} [95 %] | of each run | minus {first} [95 %] |\n|---|---|---|---|---|")
    for name, runs in done.items():
        each = [_score(chosen, one, np.arange(cases)) for one in runs]
        low, high = np.percentile(resampled[name], [2.5, 97.5])
        gap = resampled[name] - resampled[first]
        lower, upper = np.percentile(gap, [2.5, 97.5])
        mean = np.mean(each)
        other = np.mean([_score(chosen, one, np.arange(cases)) for one in done[first]])
        gaps = "" if name == first else f"{mean - other:+.3f} [{lower:+.3f}, {upper:+.3f}]"
        runs_text = ", ".join(f"{score:.3f}" for score in each)
        print(f"| {name} | {len(runs)} | {mean:.3f} [{low:.3f}, {high:.3f}] | {runs_text} | {gaps} |")


def _mean(study: Study, runs: list[np.ndarray], cases: np.ndarray, picks: np.ndarray) -> float:
    """The mean over as many repetitions as there are, drawn with replacement, on the drawn cases."""
    drawn = (picks[: len(runs)] * len(runs)).astype(int)
    return float(np.mean([_score(study, runs[index], cases) for index in drawn]))


def _score(study: Study, run: np.ndarray, cases: np.ndarray) -> float:
    rows = run[cases]
    if study.graded:
        return float(cohen_kappa_score(rows[:, 0], rows[:, 1], weights="quadratic"))
    return float(rows.mean())


def _scores(study: str, chosen: Study, name: str) -> list[np.ndarray]:
    """One array for each finished run, one row a case by name: label and prediction, or the Dice of each structure."""
    runs = []
    for repeat in chosen.repeats:
        path = _folder(study, name, repeat) / ("predictions.csv" if chosen.graded else "cases.csv")
        if not (path.parent / "metrics.json").is_file():
            continue
        with open(path, newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: next(iter(row.values())))
        columns = ("label", "prediction") if chosen.graded else [name for name in rows[0] if name.startswith("dice_")]
        runs.append(np.array([[float(row[column]) for column in columns] for row in rows]))
    return runs


def _folder(study: str, name: str, repeat: Options) -> Path:
    suffix = "-".join(f"{key}{value}" for key, value in repeat.items())
    return ROOT / "runs" / study / f"{name.replace(' ', '_')}-{suffix}"


def _study(name: str) -> Study:
    if name not in STUDIES:
        sys.exit(f"no study {name!r}; there is {', '.join(STUDIES)}")
    return STUDIES[name]


if __name__ == "__main__":
    fire.Fire({"run": run, "table": table})

"""What an ensemble is worth: members that differ by their seed, alone and together, in the folds of the fundus bundle.

    python scripts/benchmark_ensemble.py [--members 5] [--folds 5] [--out runs/fundus_ensemble] [--OPTION VALUE]

Probabilities are averaged, as ``--adapters`` of the bundles does, and no test image is read. A training that is there
is not made again. Kappa is the mean of the folds', its interval that of resamples of each fold's cases, in which all
are compared on the same ones.
"""

from pathlib import Path
from typing import Any

import fire
import numpy as np
import torch
from ignite.engine import Engine, Events

from dvpt_monai.compare.bundle import Bundle, logged
from dvpt_monai.metrics import QuadraticKappa, interval, resample
from dvpt_monai.transforms import DecideGraded

BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "fundus_dr_classification"
GRADES = 5


def trained(options: dict[str, Any], file: Path) -> dict[str, np.ndarray]:
    """Probabilities (N, grades) of the cases that validate, and their labels (N,), of one training."""
    if file.is_file():
        return dict(np.load(file))
    models = file.with_suffix("")
    folders = {"models_dir": str(models), "output_dir": str(models)}
    with logged(file.with_suffix(".txt")):
        training = Bundle(BUNDLE, folders).workflow({**options, "val_interval": "@epochs"})
        kept: dict[str, list[np.ndarray]] = {"probability": [], "label": []}

        def keep(engine: Engine) -> None:
            for case in engine.state.output:
                for name, values in kept.items():
                    values.append(torch.as_tensor(case[name]).cpu().numpy().reshape(-1))

        training.parser.get_parsed_content("train#trainer")  # whose cases the cache then knows
        training.parser.get_parsed_content("validate#evaluator").add_event_handler(Events.ITERATION_COMPLETED, keep)
        training.run()
    arrays = {name: np.stack(values) for name, values in kept.items()}
    np.savez(file, **arrays)
    return arrays


def kappas(probability: np.ndarray, label: np.ndarray, weights: torch.Tensor) -> torch.Tensor:
    """Of the expected grades, rounded as the bundle decides, for each weighting of the cases."""
    decide, kappa = DecideGraded("pred", "expected"), QuadraticKappa(GRADES)
    kappa(
        torch.stack([decide({"pred": torch.from_numpy(each)})["pred"] for each in probability]), torch.from_numpy(label)
    )
    return kappa.reweighted(weights)


def main(members: int = 5, folds: int = 5, out: str = "runs/fundus_ensemble", **options: Any) -> None:
    """Train what is not there, and print the table."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    results = [
        [trained({**options, "fold": f, "seed": s}, folder / f"fold_{f}_seed_{s}.npz") for s in range(members)]
        for f in range(folds)
    ]
    labels = [fold[0]["label"] for fold in results]
    sizes = [len(label) for label in labels]
    weights = [torch.vstack((torch.ones(1, n), resample(n, seed=fold))) for fold, n in enumerate(sizes)]
    forms = {f"seed {s}": [fold[s]["probability"] for fold in results] for s in range(members)}
    forms[f"ensemble of {members}"] = [np.mean([each["probability"] for each in fold], 0) for fold in results]
    values = {
        name: torch.stack([kappas(*fold) for fold in zip(those, labels, weights, strict=True)]).mean(0)
        for name, those in forms.items()
    }
    singles = torch.stack([values[f"seed {s}"] for s in range(members)]).mean(0)
    best = max(list(values)[:-1], key=lambda name: values[name][0])
    together = values[f"ensemble of {members}"]
    shown = {**values, "ensemble minus the mean member": together - singles, f"minus {best}": together - values[best]}
    print("| | quadratic kappa [95 %] |\n|---|---|")
    for name, each in shown.items():
        ends = interval(each[1:], sum(sizes))
        print(f"| {name} | {each[0]:.3f} [{ends.low:.3f}, {ends.high:.3f}] |")


if __name__ == "__main__":
    fire.Fire(main)

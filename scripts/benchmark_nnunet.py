#!/usr/bin/env python3
"""nnU-Net (Isensee et al., Nature Methods 2021) beside a run of this package: the same cases, the same time, one score.

    ./scripts/install_nnunet.sh
    python scripts/benchmark.py run hippocampus_nnunet
    .venv-nnunet/bin/python scripts/benchmark_nnunet.py [--study hippocampus_nnunet] [--configuration 3d_fullres]

Plans, network, augmentation, loss and prediction (with mirrored copies) are nnU-Net's own. Its training is given the
seconds that the first run of the study took with all its overhead; planning, preprocessing and prediction are not
counted. Only its schedule is told another length: the polynomial decay of the rate runs over the time that there is,
where nnU-Net's runs over 250,000 steps. The row is added to those of the study; ``scripts/benchmark.py keep`` and
``table`` then show both, paired over the test cases.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import LoadImage

from dvpt_monai.compare.bundle import Bundle, logged
from dvpt_monai.compare.machine import machine
from dvpt_monai.compare.runs import add_row, read_rows
from dvpt_monai.compare.train import RESAMPLED
from dvpt_monai.compare.work import TABLE
from dvpt_monai.metrics import interval, resample
from dvpt_monai.metrics.structure_scores import StructureMeasures
from dvpt_monai.metrics.structures import measure_structures

ROOT = Path(__file__).resolve().parents[1]
NUMBER = 4
DATASET = f"Dataset{NUMBER:03d}_Compared"
FOLDERS = {name: f"nnUNet_{name}" for name in ("raw", "preprocessed", "results")}
"""Variables of the environment, which nnU-Net reads when it is imported."""
PROCESSES = "nnUNet_n_proc_DA"

Case = dict[str, Any]


def write_dataset(raw: Path, cases: Sequence[Case], structures: Sequence[str]) -> None:
    """The training cases as nnU-Net reads them."""
    folder = raw / DATASET
    for case in cases:
        places = {"image": f"imagesTr/{stem(case)}_0000.nii.gz", "label": f"labelsTr/{stem(case)}.nii.gz"}
        for key, place in places.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(case[key], folder / place)
    labels = {"background": 0, **{name: number for number, name in enumerate(structures, 1)}}
    about = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": len(cases), "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))


def stem(case: Case) -> str:
    """The name of a case's image, without its ending."""
    return Path(str(case["image"])).name.removesuffix(".nii.gz")


def planned(configuration: str, preprocessed: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What nnU-Net plans for the data, and its description of them; the data are preprocessed then."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([NUMBER], num_processes=1, show_progress_bar=False)
    api.plan_experiments([NUMBER])
    api.preprocess([NUMBER], configurations=[configuration], num_processes=[1], show_progress_bar=False)
    plans, about = (preprocessed / DATASET / name for name in ("nnUNetPlans.json", "dataset.json"))
    return json.loads(plans.read_text()), json.loads(about.read_text())


def train(trainer: Any, seconds: float) -> int:
    """Train for so long; gives the number of steps."""
    trainer.on_train_start()
    trainer.network.train()
    steps, start = 0, time.perf_counter()
    while (spent := (time.perf_counter() - start) / seconds) < 1:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - spent) ** 0.9
        loss = trainer.train_step(next(trainer.dataloader_train))["loss"]
        steps += 1
        print(f"step {steps}, {spent:.1%} of the time, loss {float(loss):.3f}", flush=True)
    return steps


def predict(trainer: Any, cases: Sequence[Case], folder: Path) -> list[Path]:
    """The masks of the test cases, as nnU-Net predicts them."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder.mkdir()
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=trainer.device, perform_everything_on_device=False, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    places = [folder / stem(case) for case in cases]
    predictor.predict_from_files_sequential([[str(case["image"])] for case in cases], [str(each) for each in places])
    return [each.with_name(f"{each.name}.nii.gz") for each in places]


def measured(cases: Sequence[Case], predictions: Sequence[Path], structures: Sequence[str]) -> torch.Tensor:
    """What the study's own evaluation measures of each case, **Shape** (cases, C, measures)."""
    load = LoadImage(image_only=True, ensure_channel_first=True)
    rows = []
    for case, prediction in zip(cases, predictions, strict=True):
        truth, mask = load(str(case["label"])), load(str(prediction))
        if not np.allclose(truth.affine, mask.affine, atol=1e-3):
            raise SystemExit(f"{prediction} does not lie where {case['label']} lies")
        one, other = (torch.cat([each == number for number in range(1, len(structures) + 1)]) for each in (mask, truth))
        rows.append(measure_structures(one.as_tensor(), other.as_tensor(), truth.pixdim.tolist()))
    return torch.stack(rows)


def main() -> None:
    """Add nnU-Net's row to a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="hippocampus_nnunet", help="a study of a bundle with volumes")
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundles/hippocampus_mri_segmentation")
    parser.add_argument("--out", type=Path, help="folder of the study's runs; runs/STUDY by default")
    parser.add_argument("--configuration", default="3d_fullres", help="of nnU-Net")
    parser.add_argument("--seconds", type=float, help="in place of those of the study's first run")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.seconds is not None and given.seconds <= 0:
        parser.error(f"--seconds {given.seconds:g}: give some time to train")
    out = given.out or ROOT / "runs" / given.study
    scored = [row for row in read_rows(out / TABLE).values() if row["stage"] == "test" and not row["error"]]
    row = next((row for row in scored if not row["method"].startswith("nnU-Net")), None)
    if row is None:
        raise SystemExit(f"{out} has no run that was scored; python scripts/benchmark.py run {given.study} makes one")
    seconds, seed = given.seconds or float(row["seconds"]), int(row["seed"])
    bundle = Bundle(given.bundle, json.loads(row["options"]))
    key = sha256(f"nnU-Net {given.configuration} {row['run']}".encode()).hexdigest()[:12]
    folder = out / "runs" / key
    with logged(folder / "bundle.txt"):
        read = bundle.workflow({**bundle.whole, "seed": seed}, test=True).parser.get_parsed_content
        training, test, structures = read("train_cases"), read("test_cases"), list(read("structures"))
    if (len(training), len(test)) != (int(row["training_cases"]), int(row["scored_cases"])):
        raise SystemExit(
            f"{len(training)} and {len(test)} cases, which the runs of {out} had not: are these other data?"
        )
    with tempfile.TemporaryDirectory() as home:
        folders = {name: Path(home, name) for name in FOLDERS}
        os.environ |= {FOLDERS[name]: str(path) for name, path in folders.items()} | {PROCESSES: "1"}
        write_dataset(folders["raw"], training, structures)
        with logged(folder / "log.txt"):
            plans, about = planned(given.configuration, folders["preprocessed"])
            os.environ[PROCESSES] = "0"  # batches are made in this process, whose time is the one that counts
            from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

            for module in (random, np.random):
                module.seed(seed)
            torch.manual_seed(seed)
            plans["continue_training"] = False
            trainer = nnUNetTrainer(plans, given.configuration, "all", about, device=torch.device(given.device))
            steps = train(trainer, seconds)
            seen = measured(test, predict(trainer, test, Path(home, "predicted")), structures)
    scores = StructureMeasures(structures)
    resamples = scores.reweighted(seen, resample(len(test)))["mean_dice"]
    metrics, ends = scores.values(seen), interval(resamples, len(test))
    np.save(folder / RESAMPLED, resamples.numpy())
    parameters = sum(each.numel() for each in trainer.network.parameters())
    versions = ", ".join(f"{name} {version(name)}" for name in ("nnunetv2", "torch"))
    add_row(
        out / TABLE,
        {
            **row,
            "run": key,
            "method": "nnU-Net" if given.configuration == "3d_fullres" else f"nnU-Net, {given.configuration}",
            "arguments": json.dumps({"method": "nnU-Net", "configuration": given.configuration, "steps": steps}),
            "settings": "{}",
            "value": metrics.pop("mean_dice"),
            "low": ends.low,
            "high": ends.high,
            "metrics": json.dumps(metrics),
            "seconds": seconds,
            "overhead_seconds": "",
            "memory_mb": "",
            "method_parameters": parameters,
            "trained_parameters": parameters,
            **machine(trainer.device),
            "versions": versions,
            "finished": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        },
    )
    print(f"nnU-Net, {steps} steps in {seconds:.0f} s: see scripts/benchmark.py keep {given.study} --out {out}")


if __name__ == "__main__":
    main()

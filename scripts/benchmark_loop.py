#!/usr/bin/env python3
"""What a bundle's training costs beside a bare PyTorch loop over the same cases, and when its first step is done.

    python scripts/benchmark_loop.py --bundle bundles/fundus_dr_classification --repeats 5

Both train the same network on the same transformed cases with the same optimizer, validate after each epoch and save
the best network. The bundle also keeps its state, adapter and curves. Runs take turns; medians are compared, of the
wall clock and of the processor's time, which other programs on the machine do not change.
"""

from __future__ import annotations

import argparse
import copy
import logging
import statistics
import tempfile
import warnings
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.data import DataLoader

import dvpt_monai
import dvpt_monai.handlers  # what the config imports is not to be timed
import dvpt_monai.transforms
from dvpt_monai.optimizers import one_cycle
from dvpt_monai.phantoms import write_fundus


def workflow_of(bundle: Path, **options: Any) -> ConfigWorkflow:
    """The training of a bundle, its imports done."""
    warnings.simplefilter("ignore")  # MONAI warns that configs run code
    config = str(bundle / "configs" / "train.json")
    workflow = ConfigWorkflow([config], workflow_type="train", logging_file=False, cache_features=0, **options)
    workflow.initialize()
    return workflow


Seconds = tuple[float, float]
"""Of the wall clock and of the processor."""


def now() -> Seconds:
    """Both clocks."""
    return perf_counter(), process_time()


def since(begin: Seconds, end: Seconds) -> Seconds:
    """What both clocks say of the time between two moments."""
    return end[0] - begin[0], end[1] - begin[1]


def of_the_bundle(workflow: ConfigWorkflow, begin: Seconds) -> tuple[Seconds, Seconds]:
    """What its epochs take, and what the first step takes from the beginning of all."""
    trainer = workflow.parser.get_parsed_content("train#trainer")
    times: list[Seconds] = []
    for event in (Events.STARTED, Events.ITERATION_COMPLETED(once=1), Events.COMPLETED):
        trainer.add_event_handler(event, lambda engine: times.append(now()))
    workflow.run()
    started, stepped, completed = times
    return since(started, completed), since(begin, stepped)


def of_a_bare_loop(parser: Any, network: torch.nn.Module, epochs: int, path: Path) -> Seconds:
    """What the same epochs take in plain PyTorch."""
    training, validating = (parser.get_parsed_content(f"{part}#dataset") for part in ("train", "validate"))
    size, loss_of = parser.get_parsed_content("batch_size"), parser.get_parsed_content("loss")
    rates = (parser.get_parsed_content(name) for name in ("learning_rate", "head_learning_rate", "weight_decay"))
    optimizer = torch.optim.AdamW(dvpt_monai.parameter_groups(network, *rates))
    loader, best = DataLoader(training, batch_size=size, shuffle=True), -1.0
    schedule = one_cycle(optimizer, epochs * len(loader), 0.2)
    begin = now()
    for _ in range(epochs):
        network.train()
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(network(batch["image"]), batch["label"])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        network.eval()
        right = count = 0
        with torch.no_grad():
            for batch in DataLoader(validating, batch_size=size):
                right += int((network(batch["image"]).argmax(1) == batch["label"]).sum())
                count += len(batch["label"])
        if right / count >= best:
            best = right / count
            torch.save(network.state_dict(), path)
    return since(begin, now())


def main() -> None:
    """Print the medians, their ratio, and the time to the first step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/fundus_dr_classification"))
    parser.add_argument("--data", type=Path, help="a folder of photographs with labels.csv; phantoms by default")
    parser.add_argument("--backbone", default="random")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    bundle, bare, first = [], [], []
    with tempfile.TemporaryDirectory() as home:
        data = given.data or write_fundus(Path(home, "eyes"), num_train=40, num_test=4, size=224)
        for number in range(given.repeats):
            place = Path(home, str(number))
            options = {"dataset_dir": str(data), "models_dir": f"{place}/m", "output_dir": f"{place}/o"}
            options |= {"epochs": given.epochs, "backbone_weights": given.backbone, "device": "$torch.device('cpu')"}
            begin = now()
            workflow = workflow_of(given.bundle, **options, val_interval=1)
            network = copy.deepcopy(workflow.parser.get_parsed_content("network"))
            seconds, step = of_the_bundle(workflow, begin)
            bundle.append(seconds)
            first.append(step)
            bare.append(of_a_bare_loop(workflow.parser, network, given.epochs, place / "bare.pt"))
    for clock, name in enumerate(("wall clock", "processor")):
        one, other, step = (statistics.median(values[clock] for values in each) for each in (bundle, bare, first))
        ratio = statistics.median(a[clock] / b[clock] for a, b in zip(bundle, bare, strict=True))
        print(f"{name}: bundle {one:.2f} s, bare loop {other:.2f} s, ratio {ratio:.3f}; first step {step:.2f} s")


if __name__ == "__main__":
    main()

"""What each method costs, on three networks: parameters, adapter, time, memory, and the forms it deploys in.

    python scripts/benchmark_methods.py [--networks vit,unetr-2d,unetr-3d] [--rounds 5] [--only EPT,LoRA] [--out DIR]
                                        [--alone False]

Weights are random: values change neither time nor memory. All candidates live in one process and on the same weights;
every round runs each of them once, in a shuffled order, so that a machine that slows down slows them all. A step is
compared with the step of full fine-tuning in the same round, an inference with one of the plain network right after it.
Memory is what torch's allocator holds at most during a step, with the network's own tensors and the optimizer's; with
``--out`` also what a process that does nothing else takes, if not ``--alone False``. There, the table is `costs.csv`,
every round `rounds.csv`, and a figure `NETWORK.png`; rows of other networks that are there stay.
"""

import csv
import io
import json
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import fire
import torch
from benchmark_candidates import FULL, NETWORKS, Cached, Candidate, Floor, candidates
from torch import nn
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from dvpt_monai import Method, TuningError, ViTClassifier, merge, tune
from dvpt_monai.compare.memory import most_held
from dvpt_monai.reports.canvas import new_figure, write_figure
from dvpt_monai.system_memory import GIB, peak_memory, reset_peak
from dvpt_monai.tables import write_table

EXPLAINED = """\
- *trained*: the method's own parameters, without head or decoder; *adapter*: the file, with head or decoder and the
  backbone's fingerprint.
- *step*: of training, over that of full fine-tuning; *inference*: over that of the plain network. Medians of ratios
  within a round, of seconds that the process computes, with the quartiles of the rounds. A machine that does other work
  moves single values by a tenth and some by more; where two tables hold one network, trust the one of fewer methods and
  more rounds.
- *memory*: the most that torch's allocator holds during a step, weights, gradients and optimizer included; *process*:
  by how much a process that does nothing else grows, its program aside.
- *cached*: from a file with the activations in float16, which each step reads; the weights of the frozen blocks, which
  none reads, lie in a file too. *in float16*: the frozen matrices (`--frozen_dtype float16`). *the floor*: forward and
  the gradient of every activation, with no weight's but the head's: what no method that changes the first block goes
  below.
- *merges*, *scripts*, *exports*: into plain weights, TorchScript and `torch.export`; tried, with equal outputs."""
SMALL = {"in_channels": 1, "img_size": 64, "patch_size": 8, "hidden_size": 48, "mlp_dim": 96, "num_layers": 4}
OWN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""What is freed goes back at once, so that a process is as large as what it holds."""


def measured(run: Callable[[], None]) -> float:
    """Seconds of one call: on a GPU by the clock, its queue emptied; on a CPU those that the process computed."""
    if not torch.cuda.is_available():
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def peak(candidate: Candidate) -> int:
    """Most bytes that one step holds, after a first one that made the optimizer's state."""
    candidate.network.zero_grad()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        candidate.step()
        return candidate.resident() + torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        candidate.step()
    candidate.network.zero_grad()
    return candidate.resident() + most_held(seen)


def works(run: Callable[[nn.Module, torch.Tensor], nn.Module], network: nn.Module, images: torch.Tensor) -> str:
    """Whether a deployed form exists and gives the same."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same = torch.allclose(run(network, images)(images), network(images), atol=1e-5)
    except TuningError:
        return "no"
    return "yes" if same else "differs"


def scripted(network: nn.Module, images: torch.Tensor) -> nn.Module:
    """The network as TorchScript, saved and loaded."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(network), buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


def deployed(kind: type[Candidate], method: Method) -> list[str]:
    """Whether a method merges, scripts and exports, tried on a small ViT with random tuners."""
    if kind is not Candidate:
        return ["-"] * 3
    torch.manual_seed(0)
    network = ViTClassifier(num_classes=2, num_heads=2, **SMALL)
    try:
        tune(network, method).eval()
    except TuningError:  # of layers that the small one has not
        return ["-"] * 3
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    images = torch.rand(2, 1, 64, 64)
    return [
        works(lambda net, _: merge(net), network, images),
        works(scripted, network, images),
        works(lambda net, x: torch.export.export(net, (x,)).module(), network, images),
    ]


def alone(key: str, name: str) -> int:
    """Bytes by which a process grows at most that makes steps with one candidate and nothing else."""
    command = [sys.executable, __file__, "itself", key, name]
    done = subprocess.run(command, env={**os.environ, **OWN_MEMORY}, stdout=subprocess.PIPE, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def itself(key: str, name: str) -> None:
    """Print what `alone` asks for."""
    _, batch, build = NETWORKS[key]
    kind, method = candidates(key)[name]
    reset_peak()
    before = peak_memory()
    candidate = kind(build(), build, method, batch)
    candidate.step()
    reset_peak()
    for _ in range(2):
        candidate.step()
    after = peak_memory()
    print(None if before is None or after is None else round((after - before) * GIB))


def timed(key: str, rounds: int, held: dict[str, Candidate], plain: Candidate) -> list[dict[str, Any]]:
    """Every candidate in every round: its step and its inference, and what they are compared with."""
    rows: list[dict[str, Any]] = []
    order = list(held)
    for number in tqdm(range(rounds + 1), desc=f"{key}: rounds, the first for warming up"):
        random.shuffle(order)
        round_: dict[str, dict[str, Any]] = {}
        for name in order:
            row: dict[str, Any] = {"network": key, "method": name, "round": number, "step_s": measured(held[name].step)}
            if not isinstance(held[name], (Cached, Floor)) and number:
                row["inference"] = measured(held[name].infer) / measured(plain.infer)
            round_[name] = row
        for row in round_.values():
            row["step"] = row["step_s"] / round_[FULL]["step_s"]
        rows += round_.values() if number else []
    return rows


def spread(values: list[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Median and quartiles."""
    if not values:
        return None, None, None
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return median(values), low, high


def costs(key: str, rounds: int, only: list[str], device: torch.device, process: bool) -> tuple[list, list]:
    """What each candidate costs on one network, and the rounds behind it."""
    _, batch, build = NETWORKS[key]
    chosen = {name: each for name, each in candidates(key).items() if not only or name.startswith((*only, FULL))}
    weights = build().to(device)
    held = {name: kind(weights, build, method, batch) for name, (kind, method) in chosen.items()}
    by_round = timed(key, rounds, held, Candidate(weights, build, None, batch))
    rows = []
    for name, candidate in tqdm(held.items(), desc=f"{key}: memory"):
        trained, percent, adapter = candidate.sizes
        row: dict[str, Any] = {"network": key, "method": name, "trained": trained, "percent": percent}
        row |= {"adapter_bytes": adapter, "memory_bytes": peak(candidate)}
        row["process_bytes"] = alone(key, name) if process else None
        for what in ("step", "inference"):
            values = [each[what] for each in by_round if each["method"] == name and what in each]
            row |= dict(zip((what, f"{what}_low", f"{what}_high"), spread(values), strict=True))
        row |= dict(zip(("merges", "scripts", "exports"), deployed(*chosen[name]), strict=True))
        rows.append(row)
    for row in rows:
        for what in ("memory", "process"):
            full = rows[-1][f"{what}_bytes"]
            row[f"{what}_of_full"] = row[f"{what}_bytes"] / full if full else None
    return rows, by_round


def table(key: str, rows: list[dict[str, Any]], command: str, where: str) -> str:
    """The rows as a page shows them."""
    title, batch, _ = NETWORKS[key]
    columns = ("method", "trained", "% of the backbone", "adapter, MB", "step", "inference", "memory, GB",
               "process, GB", "merges", "scripts", "exports")  # fmt: skip
    lines = [
        f"## {title}, batch {batch}\n",
        f"`{command}`; {where}, torch {torch.__version__}, float32.\n",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for row in rows:
        cells = [
            f"`{row['method']}`",
            f"{row['trained']:,}",
            f"{row['percent']:.3f}",
            f"{row['adapter_bytes'] / 1e6:.2f}",
        ]
        for what in ("step", "inference"):
            value, low, high = row[what], row[f"{what}_low"], row[f"{what}_high"]
            cells.append("-" if value is None else f"{value:.2f} ({low:.2f}-{high:.2f})")
        cells += ["-" if row[name] is None else f"{row[name] / 1e9:.2f}" for name in ("memory_bytes", "process_bytes")]
        lines.append(f"| {' | '.join((*cells, row['merges'], row['scripts'], row['exports']))} |")
    return "\n".join(lines)


def draw(path: Path, title: str, rows: list[dict[str, Any]]) -> None:
    """Time and memory of a step, each over that of full fine-tuning."""
    ordered = sorted(rows, key=lambda row: -row["step"])
    figure = new_figure(9, 1.2 + 0.24 * len(rows))
    for place, (what, label) in enumerate((("step", "time of a step"), ("memory_of_full", "memory of a step"))):
        axes = figure.add_subplot(1, 2, place + 1)
        for number, row in enumerate(ordered):
            colour = "tab:orange" if row["method"].endswith("cached") else "tab:blue"
            axes.plot(row[what], number, "o", color=colour, markersize=4)
            if what == "step":
                axes.plot([row["step_low"], row["step_high"]], [number] * 2, color=colour)
        axes.set_xlim(0, None)
        axes.set_xlabel(f"{label}, of full fine-tuning")
        axes.grid(axis="x", alpha=0.3)
        axes.set_yticks(range(len(ordered)), [row["method"] for row in ordered] if not place else [], fontsize=7)
    figure.suptitle(title, fontsize=9)
    write_figure(figure, path)


def rows_of_others(path: Path, key: str) -> list[dict[str, Any]]:
    """The rows of a table that are of other networks; none where there is no table."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["network"] != key]


def main(
    networks: str = "vit,unetr-2d,unetr-3d", rounds: int = 5, only: str = "", out: str = "", alone: bool = True
) -> None:
    """Print docs/methods.md; into ``out`` also the tables and figures, and what a process of its own takes."""
    random.seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"
    # fire makes a tuple of what has commas
    keys = networks if isinstance(networks, tuple) else networks.split(",")
    names = [name for name in ([*only] if isinstance(only, tuple) else only.split(",")) if name]
    print("# What each method costs\n")
    print(EXPLAINED)
    for key in keys:
        rows, by_round = costs(key, rounds, names, device, process=alone and bool(out) and device.type == "cpu")
        command = f"python scripts/benchmark_methods.py --networks {key} --rounds {rounds}"
        command += f" --only '{','.join(names)}'" if names else ""
        print("\n" + table(key, rows, command, where), flush=True)
        if out:
            title, batch, _ = NETWORKS[key]
            draw(Path(out, f"{key}.png"), f"{title}, batch {batch}; {where}, {rounds} rounds, quartiles", rows)
            for name, new in (("costs.csv", rows), ("rounds.csv", by_round)):
                write_table(Path(out, name), [*rows_of_others(Path(out, name), key), *new])


if __name__ == "__main__":
    if sys.argv[1:2] == ["itself"]:
        itself(*sys.argv[2:])
    else:
        fire.Fire(main)

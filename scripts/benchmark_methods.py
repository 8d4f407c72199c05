"""What each method costs, on three networks: parameters, adapter, time, memory, and the forms it deploys in.

    python scripts/benchmark_methods.py [--networks vit,unetr-2d,unetr-3d] [--rounds 3] [--only EPT,LoRA]

Weights are random: values change neither time nor memory. All candidates live in one process and on the same weights;
every round runs each of them once, in a shuffled order, so that a machine that slows down slows them all. A step is
compared with the step of full fine-tuning in the same round, an inference with one of the plain network right after it.
Memory is what torch's allocator holds at most during a step, with the network's own tensors and the optimizer's.
"""

import io
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import fire
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from dvpt_monai import (
    DVPT,
    EPT,
    METHODS,
    UNETR,
    VPT,
    FullFineTuning,
    Method,
    TuningError,
    ViTClassifier,
    merge,
    parameter_groups,
    report,
    save_adapter,
    tune,
)
from dvpt_monai.compare.memory import most_held

NETWORKS: dict[str, tuple[str, int, Callable[[], nn.Module]]] = {
    "vit": ("ViT-B/16, 224 px", 8, lambda: ViTClassifier(num_classes=5, in_channels=3, img_size=224)),
    "unetr-2d": (
        "UNETR over ViT-B/16, 2D, 224 px",
        4,
        lambda: UNETR(in_channels=3, out_channels=5, img_size=224, spatial_dims=2),
    ),
    "unetr-3d": (
        "UNETR over ViT-B/16, 3D, 96 x 96 x 96 voxels",
        1,
        lambda: UNETR(in_channels=1, out_channels=5, img_size=96),
    ),
}
EXPLAINED = """\
- *trained*: the method's own parameters, without head or decoder; *adapter*: the file, with head or decoder and the
  backbone's fingerprint.
- *step*: of training, over that of full fine-tuning; *inference*: over that of the plain network. Medians of ratios
  within a round, of seconds that the process computes. A machine that does other work, as here, moves single values by
  a tenth and some by more; where two tables hold one network, trust the one of fewer methods and more rounds.
- *memory*: the most that torch's allocator holds during a step, weights, gradients and optimizer included.
- *merges*, *scripts*, *exports*: into plain weights, TorchScript and `torch.export`; tried, with equal outputs."""
SMALL = {"in_channels": 1, "img_size": 64, "patch_size": 8, "hidden_size": 48, "mlp_dim": 96, "num_layers": 4}


def candidates(forms_too: bool = True) -> dict[str, Method]:
    """Every method with its defaults, and the published forms of DVPT, EPT and VPT."""
    forms: dict[str, Method] = {
        f"{name}()": cls() for name, cls in sorted(METHODS.items()) if name not in ("Stack", "FullFineTuning")
    }
    if forms_too:
        forms |= {
            "DVPT(share=3)": DVPT(share=3),
            'DVPT(aggregate="prefix")': DVPT(aggregate="prefix"),
            'DVPT(aggregate="tokens")': DVPT(aggregate="tokens"),
            "DVPT.released_vit()": DVPT.released_vit(),
            "EPT(num_prompts=600)": EPT(num_prompts=600),
            "EPT(deep=False)": EPT(deep=False),
            "VPT(deep=False)": VPT(deep=False),
        }
    return {**dict(sorted(forms.items(), key=lambda item: item[0].lower())), "FullFineTuning()": FullFineTuning()}


class Candidate:
    """One method on one network, with a step and an inference to time."""

    def __init__(self, weights: nn.Module, build: Callable[[], nn.Module], method: Method | None, batch: int) -> None:
        device = next(weights.parameters()).device
        with torch.device("meta"):
            self.network = build()
        self.network.load_state_dict({k: v.detach() for k, v in weights.state_dict().items()}, assign=True)
        encoder = self.network.vit
        self.images = torch.randn(batch, encoder.in_channels, *encoder.img_size, device=device)  # type: ignore[union-attr]
        if method is not None:
            tune(self.network, method)
            with torch.no_grad():
                shape = self.network.eval()(self.images[:1]).shape
            self.labels = torch.randint(0, shape[1], (batch, *shape[2:]), device=device)
            self.optimizer = torch.optim.AdamW(parameter_groups(self.network, lr=1e-4))

    def step(self) -> None:
        """One training step."""
        self.network.train()
        self.optimizer.zero_grad()
        cross_entropy(self.network(self.images), self.labels).backward()
        self.optimizer.step()

    def infer(self) -> None:
        """One forward pass."""
        self.network.eval()
        with torch.inference_mode():
            self.network(self.images)

    def resident(self) -> int:
        """Bytes of the network and of the optimizer's state."""
        states = [v for state in self.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        return sum(t.numel() * t.element_size() for t in (*self.network.parameters(), *self.network.buffers(), *states))


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


def deployed(method: Method) -> list[str]:
    """Whether a method merges, scripts and exports, tried on a small ViT with random tuners."""
    torch.manual_seed(0)
    network = tune(ViTClassifier(num_classes=2, num_heads=2, **SMALL), method).eval()
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    images = torch.rand(2, 1, 64, 64)
    return [
        works(lambda net, _: merge(net), network, images),
        works(scripted, network, images),
        works(lambda net, x: torch.export.export(net, (x,)).module(), network, images),
    ]


def table(key: str, rounds: int, only: list[str], device: torch.device) -> str:
    """The table of one network, of all methods or of those whose names begin with one of ``only``."""
    title, batch, build = NETWORKS[key]
    methods = candidates(forms_too=key != "unetr-3d")  # whose rounds take many minutes on a CPU
    wanted = (*only, "FullFineTuning()")
    methods = {name: method for name, method in methods.items() if not only or name.startswith(wanted)}
    weights = build().to(device)
    held = {name: Candidate(weights, build, method, batch) for name, method in methods.items()}
    plain = Candidate(weights, build, None, batch)
    steps: dict[str, list[float]] = {name: [] for name in held}
    infers: dict[str, list[float]] = {name: [] for name in held}
    order = list(held)
    for index in tqdm(range(rounds + 1), desc=f"{key}: rounds, the first for warming up"):
        random.shuffle(order)
        for name in order:
            step = measured(held[name].step)
            if index:
                steps[name].append(step)
                infers[name].append(measured(held[name].infer) / measured(plain.infer))
    columns = ("method", "trained", "% of the backbone", "adapter, MB", "step", "inference", "memory, GB", "merges",
               "scripts", "exports")  # fmt: skip
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"
    command = f"python scripts/benchmark_methods.py --networks {key} --rounds {rounds}"
    if only:
        command += f" --only '{','.join(only)}'"
    lines = [
        f"## {title}, batch {batch}\n",
        f"`{command}`; {where}, torch {torch.__version__}, float32.\n",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for name, candidate in tqdm(held.items(), desc=f"{key}: memory"):
        counts = report(candidate.network)
        with tempfile.TemporaryDirectory() as folder:
            size = os.path.getsize(save_adapter(candidate.network, Path(folder) / "adapter.safetensors"))
        step = median(a / b for a, b in zip(steps[name], steps["FullFineTuning()"], strict=True))
        lines.append(
            f"| `{name}` | {counts.method:,} | {counts.percent:.3f} | {size / 1e6:.2f} | {step:.2f} | "
            f"{median(infers[name]):.2f} | "
            f"{peak(candidate) / 1e9:.2f} | {' | '.join(deployed(methods[name]))} |"
        )
    return "\n".join(lines)


def main(networks: str = "vit,unetr-2d,unetr-3d", rounds: int = 3, only: str = "") -> None:
    """Print docs/methods.md."""
    random.seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # fire makes a tuple of what has commas
    keys = networks if isinstance(networks, tuple) else networks.split(",")
    names = [name for name in ([*only] if isinstance(only, tuple) else only.split(",")) if name]
    print("# What each method costs\n")
    print(EXPLAINED)
    for key in keys:
        print("\n" + table(key, rounds, names, device), flush=True)


if __name__ == "__main__":
    fire.Fire(main)

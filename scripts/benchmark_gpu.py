"""What a training step reaches of a GPU's peak: ViT-B/16 at 224 px under bfloat16 autocast, as it is and compiled.

    python scripts/benchmark_gpu.py [--batch 64] [--rounds 5] [--compiled True] [--device cuda] [--network vit]

The peak is that of one large matrix product on random numbers, measured in the same process. Operations are counted by
PyTorch in one step, without gradients that no method asks for, so the share of a method that computes less does not
rise by it. All methods take turns in each round, in a shuffled order; what is shown is the median, with the quartiles.
"""

import random
import time
from collections.abc import Callable
from statistics import median

import fire
import torch
from benchmark_candidates import NETWORKS, Candidate
from benchmark_methods import spread
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dvpt_monai import DVPT, FullFineTuning, LinearProbe, LoRA, Method, SideDVPT, parameter_groups
from dvpt_monai.compare import Entrant

METHODS: tuple[Method, ...] = (
    FullFineTuning(), LoRA(), DVPT(), DVPT(layers=range(8, 12)), SideDVPT(), LinearProbe(),
)  # fmt: skip
STEPS = 5
"""Steps of one measurement, which hide what starts and ends it."""


def seconds(run: Callable[[], object], device: torch.device, times: int = STEPS) -> float:
    """Of one call, on the clock, with the device's queue emptied before and after."""
    wait = torch.cuda.synchronize if device.type == "cuda" else torch.cpu.synchronize
    wait()
    start = time.perf_counter()
    for _ in range(times):
        run()
    wait()
    return (time.perf_counter() - start) / times


def peak(device: torch.device) -> float:
    """Operations a second of a bfloat16 matrix product."""
    size = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / median(seconds(lambda: a @ b, device, 10) for _ in range(5))


class Step(Candidate):
    """A training step of one method, on images that stay on the device."""

    def __init__(
        self, weights: nn.Module, build: Callable[[], nn.Module], method: Method, batch: int, compiled: bool
    ) -> None:
        self.compiled = compiled
        super().__init__(weights, build, method, batch)

    def prepare(self) -> None:
        super().prepare()
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, lr=1e-4), fused=True)
        self.run = torch.compile(self.network) if self.compiled else self.network

    def output(self) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.run(self.images)

    def operations(self) -> int:
        """Of one step of the network as it is."""
        run, self.run = self.run, self.network
        with FlopCounterMode(display=False) as counter:
            self.step()
        self.run = run
        return counter.get_total_flops()

    def memory(self) -> float:
        """Gigabytes of weights and images, and what a step adds to what stays between steps."""
        if self.device.type != "cuda":
            return float("nan")
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        self.step()
        own = sum(t.numel() * t.element_size() for t in (*self.network.parameters(), self.images))
        return (torch.cuda.max_memory_allocated() - held + own) / 1e9


def main(batch: int = 64, rounds: int = 5, compiled: bool = True, device: str = "cuda", network: str = "vit") -> None:
    """Print the table."""
    random.seed(0)
    on = torch.device(device)
    most = peak(on)
    build = NETWORKS[network][2]
    weights = build().to(on)
    depth = len(weights.vit.blocks)  # type: ignore[union-attr,arg-type]
    methods = [m for m in METHODS if max(getattr(m, "layers", None) or [0]) < depth]
    steps = {
        (str(Entrant(method)), how): Step(weights, build, method, batch, how)
        for how in ((False, True) if compiled else (False,))
        for method in methods
    }
    for step in steps.values():
        for _ in range(3):  # compiles, and chooses kernels
            step.step()
    taken: dict[tuple[str, bool], list[float]] = {key: [] for key in steps}
    for _ in range(rounds):
        for key in random.sample(list(steps), len(steps)):
            taken[key].append(seconds(steps[key].step, on))
    where = torch.cuda.get_device_name() if on.type == "cuda" else "CPU"
    print(
        f"{NETWORKS[network][0]}, batch {batch}, bfloat16 autocast; {where}, {most / 1e12:.0f} TFLOP/s at most; ",
        end="",
    )
    print(f"torch {torch.__version__}, {rounds} rounds of {STEPS} steps\n")
    print("| method | | step, ms | of full fine-tuning | images a second | share of the peak | memory, GB |")
    print("|---" * 7 + "|")
    full = str(Entrant(FullFineTuning()))
    for (name, how), step in steps.items():
        middle, low, high = (1e3 * value for value in spread(taken[name, how]))  # type: ignore[operator]
        ratio = median(a / b for a, b in zip(taken[name, how], taken[full, False], strict=True))
        share = step.operations() / (middle / 1e3) / most
        print(f"| `{name}` | {'compiled' if how else ''} | {middle:.1f} ({low:.1f}-{high:.1f}) | {ratio:.2f} | "
              f"{batch * 1e3 / middle:.0f} | {share:.2f} | {step.memory():.2f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    fire.Fire(main)

"""Step and inference time of tuning methods against full fine-tuning and the plain backbone, in one process.

    python scripts/benchmark_speed.py [--rounds 15] [--batch 8]

ViT-B/16 at 224 px with random weights (values do not change the time). Every round runs each candidate once, in a
shuffled order, so that a machine that slows down slows them all; the table gives medians of the rounds' ratios.
"""

import random
import time
from collections.abc import Callable
from statistics import median

import fire
import torch
from torch.nn.functional import cross_entropy

from dvpt_monai import DVPT, FullFineTuning, LinearProbe, Method, ViTClassifier, parameter_groups, tune

CANDIDATES: dict[str, Method] = {
    "full fine-tuning": FullFineTuning(),
    "linear probe": LinearProbe(),
    "DVPT (default)": DVPT(),
    "DVPT shared by 3": DVPT(share=3),
    "DVPT prefix": DVPT(aggregate="prefix"),
    "DVPT tokens": DVPT(aggregate="tokens"),
}


def network(method: Method | None) -> ViTClassifier:
    """ViT-B/16 224 with five classes, tuned or plain."""
    torch.manual_seed(0)
    plain = ViTClassifier(num_classes=5, in_channels=3, img_size=224)
    return plain if method is None else tune(plain, method)


def measured(run: Callable[[], None]) -> float:
    """Seconds of one call, the device's queue emptied before and after."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ratios(candidates: dict[str, Callable[[], None]], reference: str, rounds: int) -> dict[str, float]:
    """Median over rounds of each candidate's time over the reference's of the same round; two warm-up rounds."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for index in range(rounds + 2):
        random.shuffle(order)
        for name in order:
            seconds = measured(candidates[name])
            if index >= 2:
                times[name].append(seconds)
    base = times[reference]
    print(f"{reference}: median {median(base):.3f} s over {rounds} rounds")
    return {name: median(t / b for t, b in zip(values, base, strict=True)) for name, values in times.items()}


def main(rounds: int = 15, batch: int = 8) -> None:
    """Print both tables."""
    random.seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels = torch.randn(batch, 3, 224, 224, device=device), torch.randint(0, 5, (batch,), device=device)

    def step_of(method: Method) -> Callable[[], None]:
        net = network(method).to(device).train()
        optimizer = torch.optim.AdamW(parameter_groups(net, lr=1e-4))

        def step() -> None:
            optimizer.zero_grad()
            cross_entropy(net(images), labels).backward()
            optimizer.step()

        return step

    def inference_of(method: Method | None) -> Callable[[], None]:
        net = network(method).to(device).eval()

        def infer() -> None:
            with torch.inference_mode():
                net(images)

        return infer

    print(f"ViT-B/16, 224 px, batch {batch}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    steps = ratios({name: step_of(method) for name, method in CANDIDATES.items()}, "full fine-tuning", rounds)
    tuned = {name: method for name, method in CANDIDATES.items() if isinstance(method, DVPT)}
    plain = {"plain backbone": inference_of(None)}
    infers = ratios({**plain, **{name: inference_of(m) for name, m in tuned.items()}}, "plain backbone", rounds)
    print("| method | step / full fine-tuning | inference / plain backbone |\n|---|---|---|")
    for name in CANDIDATES:
        print(f"| {name} | {steps[name]:.2f} | {f'{infers[name]:.3f}' if name in infers else '1'} |")


if __name__ == "__main__":
    fire.Fire(main)

"""What `benchmark_methods.py` times: every method on one network, from images and from cached activations."""

import io
import os
import tempfile
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dvpt_monai import (
    DTL,
    DVPT,
    EPT,
    LST,
    METHODS,
    UNETR,
    VPT,
    FPTPlus,
    LinearProbe,
    LoRA,
    Method,
    SideDVPT,
    ViTClassifier,
    cast_frozen,
    parameter_groups,
    report,
    save_adapter,
    tune,
)
from dvpt_monai.features.entry import IMAGE, Entry, sample_of
from dvpt_monai.features.shard import Shard, write_shard
from dvpt_monai.tuning import from_activations, frozen_activations, map_frozen

__all__ = ["FULL", "NETWORKS", "Cached", "Candidate", "Floor", "Peft", "candidates"]

FULL = "FullFineTuning()"
TINY = {"img_size": 32, "patch_size": 8, "hidden_size": 48, "mlp_dim": 96, "num_layers": 6, "num_heads": 2}
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
    "tiny": ("ViT of six small blocks, 32 px, to try this script", 2, lambda: ViTClassifier(5, in_channels=3, **TINY)),
}


class Candidate:
    """One method on one network, with a step and an inference to time.

    Args:
        weights: a network whose tensors all candidates share.
        build: makes another of it.
        method: what trains; ``None`` is the plain network, which does not.
        batch: images at a time.
    """

    def __init__(self, weights: nn.Module, build: Callable[[], nn.Module], method: Method | None, batch: int) -> None:
        self.device = next(weights.parameters()).device
        with torch.device("meta"):
            self.network = build()
        self.network.load_state_dict({k: v.detach() for k, v in weights.state_dict().items()}, assign=True)
        encoder = self.network.vit
        self.images = torch.randn(batch, encoder.in_channels, *encoder.img_size, device=self.device)  # type: ignore[union-attr]
        self.method = method
        if method is not None:
            self.prepare()

    def prepare(self) -> None:
        """Make it ready to train."""
        assert self.method is not None
        self.begin(tune(self.network, self.method))
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, lr=1e-4))

    def begin(self, network: nn.Module) -> None:
        """Labels of what the network answers."""
        with torch.no_grad():
            shape = network.eval()(self.images[:1]).shape
        self.labels = torch.randint(0, shape[1], (len(self.images), *shape[2:]), device=self.device)

    def output(self) -> Tensor:
        """What the network answers in training."""
        answer: Tensor = self.network(self.images)
        return answer

    def step(self) -> None:
        """One training step."""
        self.network.train()
        self.optimizer.zero_grad()
        cross_entropy(self.output(), self.labels).backward()
        self.optimizer.step()

    def infer(self) -> None:
        """One forward pass."""
        self.network.eval()
        with torch.inference_mode():
            self.network(self.images)

    def resident(self) -> int:
        """Bytes of the network and of the optimizer's state."""
        states = [v for state in self.optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
        return sum(t.numel() * t.element_size() for t in (*self.network.parameters(), *self.network.buffers(), *states))

    @cached_property
    def sizes(self) -> tuple[int, float, int]:
        """Parameters of the method, their percentage of the backbone's, and bytes of the adapter."""
        counts = report(self.network)
        with tempfile.TemporaryDirectory() as folder:
            size = os.path.getsize(save_adapter(self.network, Path(folder) / "adapter.safetensors"))
        return counts.method, counts.percent, size


class Cached(Candidate):
    """The same training from a shard of cached activations, of which each step reads a batch; it infers from images.

    As in a bundle's training, the weights of the frozen blocks lie in a file.
    """

    def prepare(self) -> None:
        super().prepare()
        entries = {}
        for number, image in enumerate(self.images):
            kept = frozen_activations(self.network, image[None])
            entries[str(number)] = Entry([sample_of({IMAGE: image}, kept, torch.float16)], listed=False)
        self.folder = tempfile.TemporaryDirectory()
        self.shard = Shard(write_shard(self.folder.name, "key", entries))
        self.mapped = map_frozen(self.network, self.folder.name)

    def resident(self) -> int:
        return super().resident() - self.mapped

    def output(self) -> Tensor:
        items = [self.shard.read(name)[IMAGE] for name in self.shard.entries]
        batch = {name: torch.cat([item[name] for item in items]) for name in items[0] if name != "size"}
        answer: Tensor = from_activations(self.network, {k: v.to(self.device).float() for k, v in batch.items()})
        return answer


class Narrow(Candidate):
    """The same training with the frozen matrices in float16."""

    def prepare(self) -> None:
        super().prepare()
        cast_frozen(self.network, torch.float16)


class Floor(Candidate):
    """What no method that changes the first block can go below: forward, the gradient of every activation, a head."""

    def prepare(self) -> None:
        super().prepare()
        self.images.requires_grad_()

    def step(self) -> None:
        self.images.grad = None
        super().step()


class Peft(Candidate):
    """LoRA as the package `peft` has it, of rank 8 on the fused projections, and the head."""

    def prepare(self) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        heads = [name for name, _ in self.network.named_parameters() if not name.startswith("vit.")]
        config = LoraConfig(r=8, lora_alpha=16, target_modules=["qkv"])
        self.network.requires_grad_(False)
        inject_adapter_in_model(config, self.network)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in heads or "lora_" in name)
        self.begin(self.network)
        self.optimizer = torch.optim.AdamW([p for p in self.network.parameters() if p.requires_grad], lr=1e-4)

    @cached_property
    def sizes(self) -> tuple[int, float, int]:
        added = {name: p for name, p in self.network.named_parameters() if "lora_" in name}
        count = sum(p.numel() for p in added.values())
        backbone = sum(p.numel() for name, p in self.network.vit.named_parameters() if "lora_" not in name)  # type: ignore[union-attr]
        file = io.BytesIO()
        torch.save({n: p for n, p in self.network.named_parameters() if p.requires_grad}, file)
        return count, 100 * count / backbone, len(file.getvalue())


def candidates(key: str) -> dict[str, tuple[type[Candidate], Method]]:
    """Every method with its defaults, published forms, cached trainings, peft's LoRA where it is, and the floor."""
    depth = 6 if key == "tiny" else 12
    late = range(depth * 2 // 3, depth)
    forms: dict[str, tuple[type[Candidate], Method]] = {
        f"{name}()": (Candidate, cls()) for name, cls in METHODS.items() if name not in ("Stack", "FullFineTuning")
    }
    some: dict[str, Method] = {}
    if key != "unetr-3d":  # whose rounds take many minutes on a CPU
        forms |= {
            "DVPT(share=3)": (Candidate, DVPT(share=3)),
            'DVPT(aggregate="prefix")': (Candidate, DVPT(aggregate="prefix")),
            'DVPT(aggregate="tokens")': (Candidate, DVPT(aggregate="tokens")),
            "DVPT.released_vit()": (Candidate, DVPT.released_vit()),
            "EPT(num_prompts=600)": (Candidate, EPT(num_prompts=600)),
            "EPT(deep=False)": (Candidate, EPT(deep=False)),
            "VPT(deep=False)": (Candidate, VPT(deep=False)),
        }
        some |= {f"{name}(layers={late})": cls(layers=late) for name, cls in (("DVPT", DVPT), ("LoRA", LoRA))}
        every_second = range(1, depth, 2)
        some |= {f"LST(layers={every_second})": LST(layers=every_second), "LST(num_heads=3)": LST(num_heads=3)}
        forms |= {name: (Candidate, method) for name, method in some.items()}
    some |= {f"{cls.__name__}()": cls() for cls in (DTL, FPTPlus, LinearProbe, LST, SideDVPT)}
    forms |= {f"{name} cached": (Cached, method) for name, method in some.items()}
    narrow = (cls() for cls in (DVPT, FPTPlus, LST, SideDVPT))
    forms |= {f"{type(method).__name__}() in float16": (Narrow, method) for method in narrow}
    forms["the floor"] = (Floor, LinearProbe())
    if find_spec("peft") is not None:
        forms["LoRA() of peft"] = (Peft, LoRA())
    return {
        **dict(sorted(forms.items(), key=lambda item: item[0].lower())),
        FULL: (Candidate, METHODS["FullFineTuning"]()),
    }

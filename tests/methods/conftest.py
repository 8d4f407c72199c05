"""A vision transformer by its formulas, in plain arithmetic: what the methods' own formulas are written into."""

import math
from math import prod

import pytest
import torch

from dvpt_monai import ViTClassifier
from dvpt_monai.tuning import trained_tensors


def softmax(scores):
    weights = torch.exp(scores - scores.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


class Formula:
    """Computes a :class:`ViTClassifier` from its state dict alone; a test overrides the step that a method changes."""

    softmax = staticmethod(softmax)
    gelu = staticmethod(gelu)

    def __init__(self, network):
        self.state = network.state_dict()
        vit = network.vit
        self.patch, self.heads, self.depth, self.first = vit.patch_size, vit.num_heads, len(vit.blocks), vit.first
        self.grid = [size // patch for size, patch in zip(vit.img_size, self.patch, strict=True)]
        self.n = self.first + prod(self.grid)

    def tuner(self, name):
        """The tensors of the tuner on a module, by their own names."""
        start = f"{name}.tuner."
        return {key[len(start) :]: value for key, value in self.state.items() if key.startswith(start)}

    def linear(self, name, x):
        return torch.einsum("...i,oi->...o", x, self.state[f"{name}.weight"]) + self.state.get(f"{name}.bias", 0.0)

    def norm(self, name, x):
        x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        return x * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def cut(self, image):
        """The pixels of every patch, (B, n, C_in * pixels)."""
        for axis, size in enumerate(self.patch, start=2):
            image = image.unfold(axis, size, size)
        return image.movedim(1, len(self.patch) + 1).flatten(1, len(self.patch)).flatten(2)

    def patches(self, image):
        """The patches without positions, (B, n, d)."""
        name = "vit.patch_embedding.patch_embeddings"
        return self.cut(image) @ self.state[f"{name}.weight"].flatten(1).T + self.state[f"{name}.bias"]

    def embed(self, image):
        """The sequence that the first block reads, (B, N, d)."""
        tokens = self.patches(image) + self.state["vit.patch_embedding.position_embeddings"]
        if "vit.depth_embedding" in self.state:
            tokens = tokens + self.state["vit.depth_embedding"].repeat(prod(self.grid[:-1]), 1)
        front = [self.state[key] for key in ("vit.cls_token", "vit.register_tokens") if key in self.state]
        return torch.cat([*(token.expand(len(image), -1, -1) for token in front), tokens], 1)

    def split(self, x):
        """(B, N, d) to its heads, (B, H, N, d_h)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, index, q, k, v):
        return softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])) @ v

    def attention(self, index, x):
        name = f"vit.blocks.{index}.attn"
        q, k, v = (self.split(part) for part in self.linear(f"{name}.qkv", x).chunk(3, -1))
        return self.linear(f"{name}.out_proj", self.attend(index, q, k, v).transpose(1, 2).flatten(2))

    def mlp(self, index, x):
        name = f"vit.blocks.{index}.mlp"
        return self.linear(f"{name}.linear2", gelu(self.linear(f"{name}.linear1", x)))

    def block(self, index, x):
        x = x + self.attention(index, self.norm(f"vit.blocks.{index}.norm1", x))
        return x + self.mlp(index, self.norm(f"vit.blocks.{index}.norm2", x))

    def blocks(self, tokens):
        for index in range(self.depth):
            tokens = self.block(index, tokens)
        return tokens

    def tokens(self, image):
        """The normed tokens, as ``network.vit(image)[0]`` gives them."""
        return self.norm("vit.norm", self.blocks(self.embed(image)))

    def __call__(self, image):
        return self.linear("head", self.tokens(image)[:, 0])


@pytest.fixture(scope="session")
def formula():
    """The class; `formula(network).tokens(image)`."""
    return Formula


@pytest.fixture(scope="session")
def vit():
    """`vit()` is a tiny classifier in float64 with two registers, none of whose tensors is trivial."""

    def build(dims=2, **more):
        torch.manual_seed(0)
        sizes = {"img_size": (16, 24, 16)[:dims], "patch_size": 8, "hidden_size": 12, "mlp_dim": 20, "num_heads": 3}
        parts = {"num_classes": 3, "in_channels": 2, "num_layers": 3, "num_registers": 2, "spatial_dims": dims}
        network = ViTClassifier(**{**parts, **sizes, **more}).double().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
        return network

    return build


@pytest.fixture(scope="session")
def wake():
    """`wake(network)` moves everything that trains away from where it starts."""

    def move(network, by=0.3):
        torch.manual_seed(1)
        with torch.no_grad():
            for value in trained_tensors(network).values():
                value.add_(torch.randn_like(value), alpha=by)
        return network

    return move


@pytest.fixture(scope="session")
def image():
    """`image(network)` is a batch of two."""

    def draw(network):
        torch.manual_seed(2)
        parameter = next(network.parameters())
        return torch.rand(2, network.vit.in_channels, *network.vit.img_size, dtype=parameter.dtype)

    return draw


@pytest.fixture(scope="session")
def vit_b():
    """`vit_b(method)` is ViT-B/16 at 224 px tuned with it, with shapes and without values."""
    from dvpt_monai import tune

    def build(method):
        with torch.device("meta"):
            return tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), method)

    return build

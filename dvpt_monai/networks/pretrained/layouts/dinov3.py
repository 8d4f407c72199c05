"""DINOv3 (Simeoni et al., arXiv 2508.10104), as its authors and timm name it: rotary positions, no learned ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout
from dvpt_monai.networks.pretrained.layouts.timm import TIMM

__all__ = ["LAYOUTS"]

WITHOUT_POSITIONS = {name: target for name, target in TIMM.names.items() if target != POSITIONS}
HEADS = {1280: 20, 4096: 32}
"""Of its widths whose heads are not those of other networks."""


BASE = 100.0
"""Of the periods of its rotation."""


@dataclass(frozen=True)
class Turned(Layout):
    """A layout of DINOv3's authors: biases of keys behind a mask, and the periods of the rotation in the file.

    Args:
        turning: name of the periods, of which each axis has all; the authors compute and keep them in half precision.
    """

    turning: str = ""

    def prepare(
        self, state: Mapping[str, Tensor], path: str, patch: tuple[int, ...] | None = None
    ) -> dict[str, Tensor]:
        """The encoder's tensors, with each ``qkv.bias`` where its ``bias_mask`` is not zero.

        Raises:
            PretrainedError: some blocks have a mask, others none, or one does not fit its bias; CLS has a norm of its
                own; or the rotation has other periods than the layout's.
        """
        inside = super().prepare(state, path, patch)
        if "cls_norm.weight" in inside:
            raise PretrainedError("CLS has a norm of its own (cls_norm), for which the encoder has no place")
        self._check_periods(inside)
        masks = {key: inside.pop(key) for key in list(inside) if key.endswith(".attn.qkv.bias_mask")}
        for bias in [key for key in inside if masks and key.endswith(".attn.qkv.bias")]:
            mask = masks.get(f"{bias}_mask")
            if mask is None or mask.shape != inside[bias].shape:
                raise PretrainedError(f"{bias}_mask is missing or does not fit its bias; the file is damaged")
            inside[bias] = torch.where(mask > 0, inside[bias], torch.zeros_like(inside[bias]))
        return inside

    def heads_in(self, inside: Mapping[str, Tensor]) -> int | None:
        """As many as the periods tell: an axis turns by all of them, so a head has twice as many channels for each."""
        periods = inside.get(self.turning)
        if periods is None:
            return None
        return len(inside["cls_token"].flatten()) // (2 * (self.dims or 2) * len(periods))

    def _check_periods(self, inside: Mapping[str, Tensor]) -> None:
        periods = inside.get(self.turning)
        if periods is None:
            return
        if periods.ndim != 1 or not len(periods):
            raise PretrainedError(f"{self.turning} is {tuple(periods.shape)}, no row of periods; the file is damaged")
        plane = len(periods) * (self.dims or 2) / 2  # as many as a plane would have of heads as wide
        expected = BASE ** (torch.arange(len(periods), dtype=torch.float64) / plane)
        if not torch.allclose(periods.double(), expected, rtol=0.02):
            raise PretrainedError(
                f"its rotation has periods from {periods.min():.3g} to {periods.max():.3g}, those of this layout go "
                f"from 1 to {expected.max():.3g}; give a file of the layout's own rotation"
            )


META = Turned(
    name="dinov3",
    title="DINOv3, as released by its authors",
    marks=("patch_embed.proj.weight", "cls_token", "storage_tokens", "blocks.0.attn.qkv.weight"),
    names={
        **WITHOUT_POSITIONS,
        "storage_tokens": "register_tokens",
        "blocks.#.mlp.w1.*": "blocks.#.mlp.gate.*",
        "blocks.#.mlp.w2.*": "blocks.#.mlp.value.*",
        "blocks.#.mlp.w3.*": "blocks.#.mlp.linear2.*",
    },
    ignored=("mask_token", "rope_embed.periods", "local_cls_norm.*"),
    refines=("timm", "dinov2"),
    eps=1e-5,
    gated=True,
    rotary={},
    heads=HEADS,
    turning="rope_embed.periods",
)

TIMM_DINO_V3 = replace(
    TIMM,
    name="timm_dinov3",
    title="timm's DINOv3 (vit_*_dinov3)",
    marks=(*TIMM.marks, "cls_token", "reg_token", "blocks.0.gamma_1"),
    names={
        **WITHOUT_POSITIONS,
        "blocks.#.gamma_1": "blocks.#.scale1",
        "blocks.#.gamma_2": "blocks.#.scale2",
        "blocks.#.attn.q_bias": "blocks.#.attn.q.bias",
        "blocks.#.attn.v_bias": "blocks.#.attn.v.bias",
        "blocks.#.mlp.fc1_g.*": "blocks.#.mlp.gate.*",
        "blocks.#.mlp.fc1_x.*": "blocks.#.mlp.value.*",
    },
    ignored=(),
    refines=("timm",),
    eps=1e-5,
    rotary={},
    key_bias=False,
    heads=HEADS,
    antialiased=(),
)

LAYOUTS = (META, TIMM_DINO_V3)

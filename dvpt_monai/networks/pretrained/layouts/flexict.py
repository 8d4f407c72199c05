"""FlexiCT (Li et al., arXiv 2605.21906): a DINOv3 of CT, with patch kernels of slices and of volumes in every file."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.layouts.dinov3 import META, Turned

__all__ = ["LAYOUTS"]

UNIFORM = 1.8
"""A uniform distribution ends before so many standard deviations; that of a trained kernel is far wider."""


class FlexiCT(Turned):
    """The layout of one of the two encoders in a file, which share all but their patches and periods."""

    def prepare(
        self, state: Mapping[str, Tensor], path: str, patch: tuple[int, ...] | None = None
    ) -> dict[str, Tensor]:
        """The encoder's tensors.

        Raises:
            PretrainedError: the kernel of volumes is as it was drawn, since the training was on slices.
        """
        inside = super().prepare(state, path, patch)
        kernel = inside[f"patch_embed_{self.dims}D.proj.weight"].float()
        if self.dims == 3 and kernel.numel() > 1 and kernel.abs().max() < UNIFORM * kernel.std():
            raise PretrainedError(
                "its kernel of volumes was never trained: it is FlexiCT's teacher of slices. Give spatial_dims=2, read "
                "volumes slice by slice (SliceClassifier, UNETR with slices=True), or take the teacher of volumes"
            )
        return inside


def layout(dims: int, title: str) -> FlexiCT:
    """The layout of the encoder of images of so many dimensions."""
    own, other = (f"patch_embed_{each}D." for each in (dims, 5 - dims))
    return FlexiCT(
        name=f"flexict_{dims}d",
        title=title,
        marks=(f"{own}proj.weight", f"{other}proj.weight", *META.marks[1:]),
        names={name.replace("patch_embed.", own): target for name, target in META.names.items()},
        ignored=("mask_token", "rope_embed_?D.periods", "local_cls_norm.*", f"{other}*"),
        eps=1e-6,
        gated=True,
        rotary={"spectrum": 2},
        normalization=None,
        head_width=72,
        dims=dims,
        turning=f"rope_embed_{dims}D.periods",
    )


LAYOUTS = (layout(2, "FlexiCT, of slices"), layout(3, "FlexiCT, of volumes"))

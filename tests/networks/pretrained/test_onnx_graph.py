"""An ONNX file gives the features of the network that it was exported from; its graph is made here by hand."""

import sys

import numpy as np
import pytest
import torch

from dvpt_monai import PretrainedError, ViTEncoder

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

WIDTH, PATCH, SIDE, DEPTH = 128, 4, 3, 2


@pytest.fixture(scope="module")
def state():
    """A DINOv2 by the names that transformers has on disk."""
    random = torch.Generator().manual_seed(0)

    def tensor(*shape):
        return torch.randn(*shape, generator=random) * 0.1

    state = {
        "embeddings.cls_token": tensor(1, 1, WIDTH),
        "embeddings.position_embeddings": tensor(1, 1 + SIDE**2, WIDTH),
        "embeddings.patch_embeddings.projection.weight": tensor(WIDTH, 3, PATCH, PATCH),
        "embeddings.patch_embeddings.projection.bias": tensor(WIDTH),
        "layernorm.weight": tensor(WIDTH),
        "layernorm.bias": tensor(WIDTH),
    }
    for i in range(DEPTH):
        path = f"encoder.layer.{i}"
        linears = {f"attention.attention.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        linears |= {"attention.output.dense": (WIDTH, WIDTH), "mlp.fc1": (256, WIDTH), "mlp.fc2": (WIDTH, 256)}
        for name, shape in linears.items():
            state |= {f"{path}.{name}.weight": tensor(*shape), f"{path}.{name}.bias": tensor(shape[0])}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            state[f"{path}.{name}"] = tensor(WIDTH)
        for part in (1, 2):
            state[f"{path}.layer_scale{part}.lambda1"] = tensor(WIDTH)
    return state


def exported(state, path, biases=True, paths=True, positions=True):
    """What torch's exporter makes of it: matrices transposed and without names, positions as two constants."""
    held, nodes = {}, []
    for name, value in state.items():
        module = name.removesuffix(".weight").replace(".", "/")
        if name.endswith("position_embeddings"):
            if positions:
                held |= {"onnx::Concat_1": value[:, :1], "onnx::Reshape_2": value[:, 1:]}
                nodes.append(
                    onnx.helper.make_node("Concat", ["onnx::Concat_1", "y"], ["c"], "/net/embeddings/Concat_6", axis=1)
                )
                nodes.append(
                    onnx.helper.make_node("Reshape", ["onnx::Reshape_2", "s"], ["r"], "/net/embeddings/Reshape_1")
                )
        elif value.ndim == 2:
            matrix = f"onnx::MatMul_{len(held)}"
            held[matrix] = value.T
            node = f"/net/{module}/MatMul" if paths else ""
            nodes.append(onnx.helper.make_node("MatMul", ["x", matrix], [f"{matrix}_out"], node))
            bias = f"net.{name.removesuffix('.weight')}.bias"
            if biases:
                nodes.append(onnx.helper.make_node("Add", [bias, f"{matrix}_out"], [f"{matrix}_sum"]))
        else:
            held[f"net.{name}"] = value
    tensors = [onnx.numpy_helper.from_array(np.ascontiguousarray(v.numpy()), name) for name, v in held.items()]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "vit", [], [], tensors)), path)
    return path


@pytest.mark.parametrize("how", [{}, {"paths": False}, {"biases": False}])
def test_matrices_are_named_after_their_biases_or_nodes(how, state, tmp_path):
    network = ViTEncoder.from_pretrained(exported(state, tmp_path / "vit.onnx", **how)).eval()
    expected = ViTEncoder.from_pretrained(state).eval()
    assert network.receipt.layout == "hf_dinov2" and len(network.receipt.sha256) == 64
    image = torch.randn(1, 3, SIDE * PATCH, SIDE * PATCH)
    assert torch.equal(network(image)[0], expected(image)[0])


def test_a_graph_without_names_is_refused_and_says_what_would_fit(state, tmp_path):
    path = exported(state, tmp_path / "vit.onnx", paths=False, biases=False)
    with pytest.raises(PretrainedError, match=r"names none of the matrices .* give the PyTorch weights, or export"):
        ViTEncoder.from_pretrained(path)


def test_a_graph_without_positions_is_incomplete(state, tmp_path):
    with pytest.raises(PretrainedError, match=r"lacks patch_embedding.position_embeddings; it is incomplete"):
        ViTEncoder.from_pretrained(exported(state, tmp_path / "vit.onnx", positions=False))


def test_weights_in_another_file_are_not_followed(state, tmp_path):
    path = exported(state, tmp_path / "vit.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(PretrainedError, match="in another file; save it in one"):
        ViTEncoder.from_pretrained(path)


def test_a_damaged_file_is_refused(state, tmp_path):
    path = exported(state, tmp_path / "vit.onnx")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(PretrainedError, match=r"vit\.onnx cannot be read as ONNX"):
        ViTEncoder.from_pretrained(path)


def test_without_the_extra_the_error_names_it(state, tmp_path, monkeypatch):
    path = exported(state, tmp_path / "vit.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PretrainedError, match=r"needs the extra 'onnx': pip install dvpt_monai\[onnx\]"):
        ViTEncoder.from_pretrained(path)

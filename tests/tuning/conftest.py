"""What a refused call may not change."""

from contextlib import contextmanager

import pytest
import torch


def state_of(network):
    return (
        {key: value.clone() for key, value in network.state_dict().items()},
        [(name, parameter.requires_grad) for name, parameter in network.named_parameters()],
        [(name, type(module), module.training) for name, module in network.named_modules()],
        [id(module) for module in network.modules()],
        getattr(network, "tuning", None),
        "train" in vars(network),
    )


@pytest.fixture
def unchanged():
    """`with unchanged(network):` asserts that tensors, modules, modes and flags leave the block as they entered it."""

    @contextmanager
    def check(network):
        tensors, *rest = state_of(network)
        yield
        tensors_after, *rest_after = state_of(network)
        assert tensors_after.keys() == tensors.keys()
        assert all(torch.equal(tensors_after[key], tensors[key]) for key in tensors)
        assert rest_after == rest

    return check

"""The loss of the lesion bundle: what its configuration of MONAI's comes to, by hand."""

import json
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch.nn.functional import binary_cross_entropy_with_logits

CONFIG = Path(__file__).parents[2] / "bundles" / "fundus_lesion_segmentation" / "configs" / "train.json"


def test_channels_are_independent_and_lesions_weigh_nine_times_as_much():
    loss = ConfigParser({"loss": json.loads(CONFIG.read_text())["loss"]}).get_parsed_content("loss")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 12, 12, generator=generator)
    truth = (torch.rand(2, 5, 12, 12, generator=generator) > 0.8).float()
    truth[:, 4, :6], truth[:, 3, :3] = 1, 1  # they overlap
    said = logits.sigmoid()
    entropy = binary_cross_entropy_with_logits(logits, truth, pos_weight=torch.tensor(9.0))
    both, sums = ((said * truth).sum((0, 2, 3)), (said + truth).sum((0, 2, 3)))
    dice = (1 - (2 * both + 1e-5) / (sums + 1e-5)).mean()
    torch.testing.assert_close(loss(logits, truth), dice + entropy, rtol=1e-5, atol=1e-6)
    # a better guess of one channel changes what the others are worth by nothing
    logits[:, 0] = 8 * truth[:, 0] - 4
    moved = logits.clone().requires_grad_()
    before = torch.autograd.grad(loss(moved, truth), moved)[0][:, 1:]
    moved = torch.cat((-logits[:, :1], logits[:, 1:]), dim=1).requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(loss(moved, truth), moved)[0][:, 1:], before)

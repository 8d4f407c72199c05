"""What is no number never reaches the network."""

import logging
import math

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import SimpleInferer
from torch import nn

from dvpt_monai.errors import DataError
from dvpt_monai.handlers import CheckPredictions, GradientClip, StopAtNonFinite


class Damaged(nn.Module):
    """A network whose gradient is infinite at an image of ones."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x.flatten(1).mean(1, keepdim=True) * self.weight


def trainer(images, loss, guards, network=None):
    network = network or Damaged()
    cases = [
        {"image": MetaTensor(image, meta={"filename_or_obj": f"scans/{number}.nii.gz"}), "label": torch.zeros(1)}
        for number, image in enumerate(images)
    ]
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(Dataset(cases), batch_size=2),
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), lr=0.1),
        loss_function=loss,
        inferer=SimpleInferer(),
        decollate=False,
        train_handlers=[guard(network) for guard in guards],
    )


def images(bad=None):
    made = [torch.full((1, 2, 2), 0.5) for _ in range(6)]
    if bad is not None:
        made[bad][0, 1, 1] = math.nan
    return made


def stop(network):
    return StopAtNonFinite(network.parameters())


def skip(network):
    return StopAtNonFinite(network.parameters(), skip=True)


def clip(network):
    return GradientClip(network.parameters(), 1.0)


def test_the_case_is_named_and_the_network_is_as_before_the_step():
    network = Damaged()
    training = trainer(images(bad=3), nn.MSELoss(), [stop, clip], network)
    with pytest.raises(DataError, match=r"step 2: the loss is nan; the image itself .*: scans/3\.nii\.gz\. mend"):
        training.run()
    assert bool(network.weight.isfinite().all())


def test_without_the_guard_the_network_is_lost():
    network = Damaged()
    trainer(images(bad=3), nn.MSELoss(), [clip], network).run()
    assert not bool(network.weight.isfinite().all())


def test_a_gradient_that_is_not_finite_stops_where_the_loss_is():
    network = Damaged()
    training = trainer(
        images(), lambda pred, label: torch.sqrt((pred - 0.5 * network.weight) ** 2).mean(), [stop], network
    )
    with pytest.raises(DataError, match=r"the gradient is not finite; cases of the step: scans/0.*lower the learning"):
        training.run()
    assert network.weight.item() == 1.0


def test_a_step_can_be_left_out(caplog):
    network = Damaged()
    training = trainer(images(bad=3), nn.MSELoss(), [skip, clip], network)
    weights = []
    training.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: weights.append(network.weight.item()))
    with caplog.at_level(logging.WARNING):
        training.run()
    assert weights[1] == weights[0] != weights[2]
    assert all(map(math.isfinite, weights))
    assert "scans/3.nii.gz" in caplog.text and "1 so far" in caplog.text


def evaluate(images, network, guard=True):
    cases = [{"image": MetaTensor(image, meta={"filename_or_obj": f"scans/{i}.png"})} for i, image in enumerate(images)]
    loader = DataLoader(Dataset(cases), batch_size=4)
    handlers = [CheckPredictions()] if guard else []
    evaluator = SupervisedEvaluator(torch.device("cpu"), loader, network, decollate=False, val_handlers=handlers)
    evaluator.run()


def test_an_evaluation_stops_at_a_prediction_that_is_no_number():
    evaluate(images(), Damaged())
    with pytest.raises(DataError, match=r"prediction holds NaN.*image itself .*: scans/3\.png\. mend"):
        evaluate(images(bad=3), Damaged())
    network = Damaged()
    network.weight.data.fill_(math.nan)
    with pytest.raises(DataError, match=r"cases of the step: scans/0\.png, .*look at the network's weights"):
        evaluate(images(), network)
    evaluate(images(), network, guard=False)

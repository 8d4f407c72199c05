"""Several processes train and score as one does; each test forks its own, which talk over this machine's loopback."""

import os
import signal
import time
import traceback

import pytest
import torch
import torch.distributed as dist
from ignite.engine import Events
from monai.data import DataLoader, Dataset, DistributedSampler
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import MeanDice, ValidationHandler
from monai.inferers import SimpleInferer
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dvpt_monai import DVPT, ViTClassifier, parameter_groups, tune
from dvpt_monai.checkpoints import states
from dvpt_monai.data import ReplayLoader
from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers import Resume
from dvpt_monai.tuning.trains import trained_tensors

CASES, GLOBAL, EPOCHS = 12, 6, 2
PATIENCE = 60


def in_ranks(ranks, work, folder, patience=PATIENCE):
    """What `work(rank)` gives in each of so many processes, and their exit codes."""
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    for rank in range(ranks):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ["GLOO_SOCKET_IFNAME"] = "lo"
                dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
                torch.save(work(rank), folder / f"{rank}.pt")
                code = 0
            except SystemExit as ended:
                code = ended.code
            except BaseException:
                (folder / f"{rank}.txt").write_text(traceback.format_exc())
            finally:
                os._exit(code)
        children.append(child)
    begin, codes = time.monotonic(), {}
    while len(codes) < ranks and time.monotonic() - begin < patience:
        for child in children:
            if child not in codes and os.waitpid(child, os.WNOHANG)[0]:
                codes[child] = None
        time.sleep(0.02)
    hanging = [child for child in children if child not in codes]
    for child in hanging:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert not hanging, f"{len(hanging)} of {ranks} still run after {patience} s"
    told = [path.read_text() for path in sorted(folder.glob("*.txt"))]
    return [torch.load(path, weights_only=False) for path in sorted(folder.glob("?.pt"))], told


def network():
    torch.manual_seed(1)
    return tune(ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                              num_layers=2, num_heads=2), DVPT(num_prompts=2, bottleneck=2))  # fmt: skip


class Shared:
    """The share of a training that one of several processes has."""

    def __init__(self, rank, ranks, folder, cases=CASES, resume="never"):
        generator = torch.Generator().manual_seed(0)
        data = [{"image": torch.rand(1, 16, 16, generator=generator), "label": i % 2} for i in range(cases)]
        self.network = network()
        self.parallel = DistributedDataParallel(self.network)
        self.bytes = []
        self.parallel.register_comm_hook(None, self._count)
        self.loader = ReplayLoader(
            Dataset(data), shuffle=True, seed=3, batch_size=GLOBAL // ranks, rank=rank, ranks=ranks
        )
        optimizer = torch.optim.AdamW(parameter_groups(self.network, 1e-2))
        # of five cases the last process has one less
        shard = DistributedSampler(data[:5], even_divisible=False, shuffle=False)
        validated = DataLoader(Dataset(data[:5]), sampler=shard)
        evaluator = SupervisedEvaluator(torch.device("cpu"), validated, self.network)
        self.losses = []
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"), max_epochs=EPOCHS, train_data_loader=self.loader, network=self.parallel,
            optimizer=optimizer, loss_function=nn.CrossEntropyLoss(), inferer=SimpleInferer(), decollate=False,
            train_handlers=[ValidationHandler(1, evaluator)],
        )  # fmt: skip
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._note)
        self.resume = Resume(folder, self.network, optimizer, None, evaluator, settings={"batch_size": GLOBAL},
                             resume=resume, seconds=1e6)  # fmt: skip
        self.resume.attach(self.trainer)

    def _count(self, _, bucket):
        self.bytes[-1:] = [self.bytes[-1] + bucket.buffer().numel() * bucket.buffer().element_size()]
        return dist.all_reduce(bucket.buffer().div_(dist.get_world_size()), async_op=True).get_future().then(
            lambda future: future.value()[0]
        )  # fmt: skip

    def _note(self, engine):
        mean = engine.state.output["loss"].detach().clone()
        dist.all_reduce(mean)
        self.losses.append(float(mean) / dist.get_world_size())

    def run(self, signal_at=None):
        def at(engine):
            self.bytes.append(0)
            if engine.state.iteration == signal_at and dist.get_rank() == dist.get_world_size() - 1:
                os.kill(os.getpid(), signal.SIGTERM)

        self.trainer.add_event_handler(Events.ITERATION_STARTED, at)
        self.trainer.run()
        return self


def shared(ranks, folder, **options):
    """What all processes of a training noted."""

    def work(rank):
        training = Shared(rank, ranks, folder / "resume", **options).run()
        weights = {name: value.detach().clone() for name, value in trained_tensors(training.network).items()}
        return {"losses": training.losses, "bytes": training.bytes, "weights": weights}

    results, told = in_ranks(ranks, work, folder / str(ranks))
    assert len(results) == ranks, told
    return results


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return shared(1, tmp_path_factory.mktemp("one"))[0]


@pytest.mark.parametrize("ranks", [2, 3])
def test_as_many_cases_to_a_step_give_the_same_losses(one, tmp_path, ranks):
    results = shared(ranks, tmp_path)
    assert len(one["losses"]) == EPOCHS * CASES // GLOBAL
    for result in results:
        assert result["losses"] == pytest.approx(one["losses"], abs=1e-5)
        for name, value in result["weights"].items():
            assert torch.equal(value, results[0]["weights"][name])
            assert torch.allclose(value, one["weights"][name], atol=1e-4)


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_step_exchanges_what_trains_and_nothing_else(tmp_path, ranks):
    trainable = sum(parameter.numel() for parameter in network().parameters() if parameter.requires_grad)
    for result in shared(ranks, tmp_path):
        assert result["bytes"] == [4 * trainable] * len(result["bytes"])


def test_cases_that_do_not_divide_do_not_hang(tmp_path):
    results = shared(3, tmp_path, cases=CASES + 1)
    assert {len(result["losses"]) for result in results} == {EPOCHS * -(-(CASES + 1) // GLOBAL)}


def test_every_case_once_where_they_divide(tmp_path):
    shares = [ReplayLoader(list(range(CASES)), shuffle=True, batch_size=2, rank=rank, ranks=3) for rank in range(3)]
    alone = ReplayLoader(list(range(CASES)), shuffle=True, batch_size=6)
    for whole, *parts in zip(alone, *shares, strict=True):
        assert sorted(whole.tolist()) == sorted(case for part in parts for case in part.tolist())


def score(ranks):
    def work(rank):
        generator = torch.Generator().manual_seed(0)
        data = [
            {"image": torch.rand(2, 4, 4, generator=generator), "label": torch.rand(2, 4, 4, generator=generator) > 0.5}
            for _ in range(7)
        ]
        sampler = DistributedSampler(data, even_divisible=False, shuffle=False, num_replicas=ranks, rank=rank)
        evaluator = SupervisedEvaluator(
            torch.device("cpu"), DataLoader(Dataset(data), sampler=sampler), nn.Identity(),
            postprocessing=lambda case: {**case, "pred": case["pred"] > 0.5},
            key_val_metric={"dice": MeanDice(output_transform=lambda cases: (
                [case["pred"] for case in cases], [case["label"] for case in cases]))},
        )  # fmt: skip
        evaluator.run()
        return evaluator.state.metrics["dice"]

    return work


def test_scores_are_those_of_one_process(tmp_path):
    """Seven cases, which two and three processes share unequally."""
    [one], *others = (in_ranks(ranks, score(ranks), tmp_path / str(ranks))[0] for ranks in (1, 2, 3))
    for results, ranks in zip(others, (2, 3), strict=True):
        assert results == pytest.approx([one] * ranks, abs=1e-6)


def test_another_number_of_processes_goes_on(one, tmp_path):
    """Two leave together when one of them gets a signal; one, and three, end as the uninterrupted training did."""

    def interrupted(rank):
        Shared(rank, 2, tmp_path / "resume").run(signal_at=3)

    results, told = in_ranks(2, interrupted, tmp_path / "a")
    assert not results and not told and len(states(tmp_path / "resume")) == 1
    results = shared(3, tmp_path, resume="auto")
    assert results[0]["losses"] == pytest.approx(one["losses"][3:], abs=1e-5)

    def other_step(rank):
        training = Shared(rank, 1, tmp_path / "resume", resume="auto")
        training.resume.settings["batch_size"] = 2
        with pytest.raises(CheckpointError, match="batch_size 6, this one 2"):
            training.run()

    _, told = in_ranks(1, other_step, tmp_path / "b")
    assert not told


def test_a_killed_process_ends_the_others(tmp_path):
    def work(rank):
        training = Shared(rank, 2, tmp_path / "resume")

        def die(engine):
            if rank == 1 and engine.state.iteration == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        training.trainer.add_event_handler(Events.ITERATION_STARTED, die)
        training.run()

    results, told = in_ranks(2, work, tmp_path / "a")
    assert not results and len(told) == 1

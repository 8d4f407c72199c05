"""What several processes gather: really two of them, with gloo, on this machine."""

import pickle

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from dvpt_monai.handlers.processes import first_process, gather, in_order


def test_alone_ones_own_rows_are_all():
    rows = [{"case": 1}, {"case": 2}]
    assert gather(rows) == [rows] and in_order(gather(rows)) == rows and first_process()


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("cases", [0, 1, 2, 6, 7])
def test_the_order_of_the_data_set_comes_back(processes, cases):
    """Dealt one in turn, as MONAI's sampler does without even_divisible; None is a row like any other."""
    rows = [None if case == 3 else case for case in range(cases)]
    assert in_order([rows[rank::processes] for rank in range(processes)]) == rows


def test_as_monais_sampler_deals():
    from monai.data import DistributedSampler

    data = list(range(7))
    samplers = [DistributedSampler(data, even_divisible=False, num_replicas=3, rank=rank, shuffle=False)
                for rank in range(3)]  # fmt: skip
    assert in_order([list(sampler) for sampler in samplers]) == data


def in_a_process(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        rows = [{"case": case} for case in range(rank, 5, 2)]
        with open(f"{folder}/{rank}.pickle", "wb") as file:
            pickle.dump((gather(rows), first_process()), file)
        dist.barrier()
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_see_all_rows_and_one_writes(tmp_path):
    mp.spawn(in_a_process, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        parts, first = pickle.loads((tmp_path / f"{rank}.pickle").read_bytes())
        assert in_order(parts) == [{"case": case} for case in range(5)]
        assert first == (rank == 0)


def test_one_process_of_a_group(tmp_path):
    """With a group of one, rows travel through the collective and come back as they were."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        rows = [{"case": 1}]
        parts = gather(rows)
        assert parts == [rows] and parts[0] is not rows and first_process()
    finally:
        dist.destroy_process_group()

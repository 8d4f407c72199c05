"""``multi_gpu_train.json`` and ``multi_gpu_evaluate.json``: what several processes have to do differently."""

from __future__ import annotations

from dvpt_monai.recipes.parts import CHECK_TRAINED, taking_features
from dvpt_monai.recipes.recipe import Config
from dvpt_monai.recipes.start import LOCK, STARTING

__all__ = ["multi_gpu_evaluate", "multi_gpu_train"]


def multi_gpu_train() -> list[Config]:
    """The paragraphs of every bundle's ``multi_gpu_train.json``."""
    return [
        {"+imports": ["$import os", "$import torch.distributed as dist"]},
        dict(
            **_PROCESS,
            parallel={
                "_target_": "torch.nn.parallel.DistributedDataParallel",
                "module": taking_features(),
                "device_ids": "$[@device] if @backend == 'nccl' else None",
            },
            **_TRAINING,
            **_VALIDATION,
        ),
        {
            "initialize": _initialize("@seed + @rank"),
            "training": [LOCK, *STARTING, "$@train#trainer.run()"],
            "finalize": ["$bundle.leave_processes(@parallel)"],
        },
    ]


def multi_gpu_evaluate() -> list[Config]:
    """The paragraphs of every bundle's ``multi_gpu_evaluate.json``."""
    return [
        {"+imports": ["$import os", "$import torch.distributed as dist"]},
        dict(**_PROCESS, **_VALIDATION),
        {
            "initialize": _initialize("@seed"),
            "evaluating": [CHECK_TRAINED, "$@validate#evaluator.run()"],
            "finalize": ["$dist.destroy_process_group()"],
        },
    ]


_PROCESS: Config = {
    "rank": "$dist.get_rank()",
    "backend": "$'nccl' if torch.cuda.is_available() else 'gloo'",
    "device": "$torch.device('cuda:' + os.environ['LOCAL_RANK'] if @backend == 'nccl' else 'cpu')",
}
_TRAINING: Config = {
    "train#dataloader#rank": "@rank",
    "train#dataloader#ranks": "$dist.get_world_size()",
    # how many cases a step has in all, with which another number of processes can go on
    "resumption#settings#batch_size": "$@batch_size * dist.get_world_size()",
    # not the parallel one, whose processes would wait for each other where the last has a case less
    "validate#evaluator#network": taking_features(),
}
_VALIDATION: Config = {
    "validate#sampler": {
        "_target_": "DistributedSampler",
        "dataset": "@validate#dataset",
        "even_divisible": False,
        "shuffle": False,
    }
}


def _initialize(seed: str) -> list[str]:
    return [
        "$bundle.plain_errors()",
        "$bundle.check_options()",
        "$@bundle_root",
        "$dist.init_process_group(@backend)",
        "$@backend == 'nccl' and torch.cuda.set_device(@device)",
        f"$monai.utils.set_determinism(seed={seed})",
    ]

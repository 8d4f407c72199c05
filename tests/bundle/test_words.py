"""`python -m dvpt_monai` refuses what it does not take before it does anything."""

import sys

import pytest

from dvpt_monai import __main__ as command_line


def said(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["pack", "bundles/a", "--out", "dist", "--slm"], "pack --slm: unknown, did you mean --slim?"),
        (["init", "--data=d", "--out=o", "--epoch=3"], "init --epoch: unknown, did you mean --epochs?"),
        (["check-bundle", "b", "--zzz", "1"], "check-bundle --zzz: unknown, it takes --folder, --dataset-dir"),
        (["complete", "b", "c", "d"], "complete d: one word too many"),
        (["complete", "--folder", "b", "c", "d"], "complete d: one word too many"),
        (["methods", "LoRA", "rank"], "methods rank: one word too many"),
    ],
)
def test_what_a_command_does_not_take(monkeypatch, capsys, words, error):
    for command in command_line.COMMANDS:
        monkeypatch.setattr(command_line, command.__name__, None)  # none of them may be called
    assert said(monkeypatch, capsys, *words).startswith(f"error: {error}")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nobody"],
        ["pack", "--help"],
        ["pack", "b", "d", "--slim"],
        ["pack", "b", "--slim", "--out", "d"],
        ["pack", "b", "d", "--noslim"],
        ["check-bundle", "b", "--dataset-dir", "d", "--images=i"],
        ["convert", "a", "b", "--to", "monai", "--in_channels", "1"],
        ["init", "--data", "d", "--out", "o", "--names", "['a','b']", "--ordered"],
    ],
)
def test_what_it_takes_is_left_to_fire(words):
    command_line.check_words(words)


def test_a_method_is_told_with_its_arguments(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", "methods", "LoRA"])
    command_line.main()
    told = capsys.readouterr().out
    assert "arXiv 2106.09685" in told and "rank               8" in told
    assert "--method LoRA, or with arguments --method \"{'_target_': 'dvpt_monai.LoRA', 'rank': 8}\"" in told
    assert "did you mean LoRA?" in said(monkeypatch, capsys, "methods", "Lora")

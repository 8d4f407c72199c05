"""``python -m dvpt_monai COMMAND``: what is needed around a bundle; one command, one file.

A command returns the text that is printed. It imports what it works with inside its function: a help text and a
misspelt word are answered without PyTorch, and what needs no network without MONAI.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dvpt_monai.commands.adapter import adapter
from dvpt_monai.commands.audit import audit
from dvpt_monai.commands.backbone import backbone
from dvpt_monai.commands.backbones import backbones
from dvpt_monai.commands.cache import cache
from dvpt_monai.commands.check_bundle import check_bundle
from dvpt_monai.commands.compare import compare
from dvpt_monai.commands.complete import complete
from dvpt_monai.commands.convert import convert
from dvpt_monai.commands.download import download
from dvpt_monai.commands.init import init
from dvpt_monai.commands.medmnist import medmnist
from dvpt_monai.commands.methods import methods
from dvpt_monai.commands.pack import pack
from dvpt_monai.commands.phantoms import phantoms
from dvpt_monai.commands.predict import predict
from dvpt_monai.commands.recommend import recommend
from dvpt_monai.commands.verify import verify
from dvpt_monai.commands.write_bundles import write_bundles
from dvpt_monai.errors import DvptError
from dvpt_monai.version import __version__

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = (
    *(adapter, audit, backbone, backbones, cache, check_bundle, compare, complete, convert, download, init, medmnist),
    *(methods, pack, phantoms, predict, recommend, verify, write_bundles),
)
NAME = "dvpt_monai"


def dashed(word: str) -> str:
    """How a name is looked up: ``--dataset_dir`` is ``--dataset-dir``, as MONAI's own command line spells options.

    Example:
        >>> dashed("dataset_dir")
        'dataset-dir'
    """
    return word.replace("_", "-")


@click.group(
    commands=COMMANDS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
        "token_normalize_func": dashed,
    },
    epilog='To complete words with TAB: eval "$(_DVPT_MONAI_COMPLETE=bash_source dvpt_monai)", or zsh_source',
)
@click.version_option(__version__, prog_name=NAME)
def app() -> None:
    """What is needed around a bundle: make, check and ship it, look up methods and backbones.

    To train and predict with a bundle: python -m monai.bundle run.
    """


def called() -> str:
    """How this command line was called, as its help and its errors repeat it."""
    return NAME if Path(sys.argv[0]).stem == NAME else f"python -m {NAME}"


def main() -> None:
    """Run one command. Exit codes: 0 done, 1 an error of the work, 2 words that are not understood, 130 interrupted."""
    try:
        text = app(prog_name=called(), complete_var="_DVPT_MONAI_COMPLETE", standalone_mode=False)
        if isinstance(text, str):  # a help text is printed already, and its exit code stands here
            print(text, flush=True)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except DvptError as error:
        if os.environ.get("DVPT_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # who reads, such as head, has seen enough; Python must not flush once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.filename is None or os.environ.get("DVPT_TRACEBACK"):
            raise
        print(
            f"error: {error.filename}: {error.strerror}; give another path, or correct who may use it "
            "(DVPT_TRACEBACK=1 shows the traceback)",
            file=sys.stderr,
        )
        raise SystemExit(1) from None

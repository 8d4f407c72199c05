"""``audit``: what a bundle would run, before it runs."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["allow_option", "audit", "check_trusted", "trust_option"]

allow_option = click.option(
    "--allow", type=click.Path(path_type=Path), help="Text file with names that a config may build or call, one a line."
)
trust_option = click.option("--trust", is_flag=True, help="Run the bundle's config whatever it names.")


def check_trusted(folder: Path, allow: Path | None, trust: bool) -> None:
    """Refuse to go on with a bundle whose config would run what no list has; before any of it runs."""
    from dvpt_monai.ship.audit import check_audited, read_allowed

    check_audited(folder, () if allow is None else read_allowed(allow), trust)


@click.command()
@click.argument("source", type=click.Path(path_type=Path), help="A bundle's folder, its archive, or one config.")
@allow_option
@click.option("--all", "everything", is_flag=True, help="List also what is allowed.")
def audit(source: Path, allow: Path | None, everything: bool) -> str:
    """Say what a bundle would build and evaluate, and run nothing.

    The exit code is 1 if anything is refused.

    Example: python -m dvpt_monai audit eyes_classification_v1.0.0.zip
    """
    from dvpt_monai.ship import audit as auditing

    auditing.check_configs(source)
    judged = auditing.audit(source, () if allow is None else auditing.read_allowed(allow))
    known = [f"allowed: {finding}" for finding in judged.findings if not finding.refused] if everything else []
    text = "\n".join([*known, str(judged)])
    if judged.refused:
        print(text)
        raise SystemExit(1)
    return text

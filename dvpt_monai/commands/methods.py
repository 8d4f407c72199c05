"""``methods``: the tuning methods and their papers."""

from __future__ import annotations

import click

__all__ = ["methods"]


@click.command()
@click.argument("name", required=False, help="One of those in the list.")
def methods(name: str | None) -> str:
    """List the tuning methods and their papers.

    With NAME, the arguments of that one.

    Example: python -m dvpt_monai methods LoRA
    """
    from dvpt_monai.tuning import METHODS, Method

    if name is None:
        return "\n".join(f"{name:<18} {method.paper}".rstrip() for name, method in sorted(METHODS.items()))
    method = Method.named(name)
    arguments = {key: value for key, value in method.arguments().items() if key != "method"}
    example = {"_target_": f"dvpt_monai.{name}", **dict([*arguments.items()][:1])}
    return "\n".join(
        [
            method.paper,
            *(f"  {key:<18} {value!r}" for key, value in arguments.items()),
            f'--method {name}, or with arguments --method "{example}"',
        ]
    )

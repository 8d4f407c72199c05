"""``phantoms``: generated data for a first try."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["phantoms"]


@click.command()
@click.argument(
    "out", type=click.Path(path_type=Path), help="Folder to write to. Bundles find its data by DVPT_DATA=OUT."
)
def phantoms(out: Path) -> str:
    """Write generated data, of no patients.

    In the layouts of the bundles: photographs of the fundus and their lesions, volumes of the hippocampus,
    shapes of adrenal glands, chest X-rays.

    Example: python -m dvpt_monai phantoms /tmp/phantoms
    """
    from dvpt_monai.phantoms import write_adrenal, write_fundus, write_hippocampus, write_lesions, write_medfmc

    folders = (
        write_fundus(out / "idrid_grading"),
        write_lesions(out / "idrid_lesions"),
        write_hippocampus(out / "Task04_Hippocampus"),
        write_adrenal(out / "adrenalmnist3d_64"),
        write_medfmc(out / "MedFMC"),
    )
    return f"phantoms, generated and not of patients: {' '.join(map(str, folders))}"

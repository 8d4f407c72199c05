"""``pack``: a trained bundle as one archive."""

from __future__ import annotations

from pathlib import Path

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option

__all__ = ["pack"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), help="The bundle.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--slim", is_flag=True, help="Leave out the network: the adapter, and name and hash of its backbone.")
@allow_option
@trust_option
def pack(folder: Path, out: Path, slim: bool, allow: Path | None, trust: bool) -> str:
    """Write a trained bundle as a zip, its sha256 beside it.

    The name is NAME_vVERSION.zip.

    Example: python -m dvpt_monai pack bundles/eyes --out dist --slim
    """
    from dvpt_monai.bundle_files import ADAPTER, completion
    from dvpt_monai.ship.contents import local_paths
    from dvpt_monai.ship.pack import pack as write_archive
    from dvpt_monai.tuning import read_header

    check_trusted(folder, allow, trust)
    paths = local_paths(folder)
    archive = write_archive(folder, out, slim)
    lines = [f"{archive}: {archive.stat().st_size:,} bytes, sha256 in {archive.name}.sha256"]
    lines += [f"it tells of this machine: {place} is {path}" for place, path in paths.items()]
    if slim:
        receipt = read_header(folder / ADAPTER)["backbone"]["receipt"]
        lines.append(f"needs the backbone {receipt['source']}, sha256 {receipt['sha256']}; after the download:")
        lines.append(completion(folder.resolve().name))
    return "\n".join(lines)

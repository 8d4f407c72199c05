"""``download``: a bundle from its address, checked before anything of it is used."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option

__all__ = ["download"]


@click.command()
@click.argument("url", help="The archive's address.")
@click.option("--sha256", required=True, help="Of the archive, as its owner published it.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("."), help="Folder that the bundle goes to.")
@allow_option
@trust_option
def download(url: str, sha256: str, out: Path, allow: Path | None, trust: bool) -> str:
    """Fetch a packed bundle by its hash, audit and unpack it.

    Nothing of it runs. The hash stands in the file that pack writes beside the archive.

    Example: python -m dvpt_monai download https://example.org/eyes.zip --sha256 HASH -o bundles
    """
    import tempfile
    from urllib.parse import urlsplit

    from dvpt_monai.bundle_files import ADAPTER, MODEL, completion
    from dvpt_monai.data.download import download as fetch
    from dvpt_monai.ship.unpack import unpack

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".download-") as home:
        archive = Path(home) / f"{PurePosixPath(urlsplit(url).path).stem or 'bundle'}.zip"
        fetch(url, archive, sha256=sha256)
        check_trusted(archive, allow, trust)
        folder = unpack(archive, out)
    slim = (folder / ADAPTER).is_file() and not (folder / MODEL).is_file()
    return f"{folder}: unpacked" + (f"; complete it:\n{completion(folder)}" if slim else "")

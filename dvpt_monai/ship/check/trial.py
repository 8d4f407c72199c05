"""The copy of a bundle that the gate tries out; the bundle itself is only read."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.scripts import _get_fake_spatial_shape
from torch import Tensor, nn

from dvpt_monai.bundle_files import MODEL
from dvpt_monai.errors import DataError, reason
from dvpt_monai.ship.check.row import Skipped
from dvpt_monai.ship.contents import contents
from dvpt_monai.ship.network import network_of
from dvpt_monai.torch_file import read_torch_file

__all__ = ["Trial"]

NO_DATA = (
    "give its data with --dataset_dir, its images to predict with --images; or phantoms: "
    "`python -m dvpt_monai phantoms OUT`, then DVPT_DATA=OUT"
)


@dataclass
class Trial:
    """A bundle and its temporary copy.

    Args:
        source: the bundle's folder.
        root: the copy, made by :meth:`of`.
        dataset_dir: data to train on, where the config's own are not at hand.
        images: what to predict, likewise.
        schema: file with the metadata's JSON schema, or ``"fetch"``.
    """

    source: Path
    root: Path
    dataset_dir: str | None = None
    images: str | None = None
    schema: str | None = None

    @classmethod
    def of(cls, source: Path, home: Path, **given: str | None) -> Trial:
        """Copy a bundle's own files into a folder of its name below ``home``."""
        root = home / source.name
        for name in contents(source):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, root / name)
        return cls(source, root, **given)

    def config(self, name: str) -> Path:
        """The path of one config of the copy, whether or not it is there."""
        return self.root / "configs" / f"{name}.json"

    @property
    def model(self) -> Path:
        """The checkpoint of the copy."""
        return self.root / MODEL

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        return dict(json.loads(self.config("metadata").read_text(encoding="utf-8")))

    @cached_property
    def network(self) -> nn.Module:
        """The network of ``inference.json`` with the weights of the checkpoint, on the CPU."""
        network = network_of(self.root).cpu()
        network.load_state_dict(read_torch_file(self.model))
        return network.eval()

    def batch(self, size: int) -> Tensor:
        """Images as the metadata describe them: (size, C, H, W[, D])."""
        image = self.metadata["network_data_format"]["inputs"]["image"]
        shape = _get_fake_spatial_shape(image["spatial_shape"])
        generator = torch.Generator().manual_seed(size)
        return torch.rand(size, image["num_channels"], *shape, generator=generator).to(getattr(torch, image["dtype"]))

    def settings(self, *names: str) -> dict[str, Any]:
        """What to set in a workflow of these configs, so that it needs no backbone, no GPU and no cache of data."""
        parser = ConfigParser(ConfigParser.load_config_files([str(self.config(name)) for name in names]))
        lighter = {
            **{"backbone_weights": "random", "device": "$torch.device('cpu')"},
            **{"cache_rate": 0.0, "cache_features": 0},
        }
        chosen: dict[str, Any] = {key: value for key, value in lighter.items() if key in parser}
        return {**chosen, "bundle_root": str(self.root)}

    def workflow(self, *names: str, **settings: Any) -> ConfigWorkflow:
        """A workflow of these configs, not yet initialized."""
        kind = "inference" if "inference" in names else "train"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI warns that configs run code
            return ConfigWorkflow(
                [str(self.config(name)) for name in names],
                workflow_type=kind,
                logging_file=False,
                **self.settings(*names),
                **settings,
            )

    def data_of(self, *names: str) -> str:
        """The data that these configs work on.

        Raises:
            Skipped: they are not at hand.
        """
        place = self.images if "inference" in names else self.dataset_dir
        if place is None:
            # Seen from the bundle's own place: some look for data beside it.
            parser = ConfigParser(ConfigParser.load_config_files([str(self.config(name)) for name in names]))
            parser["bundle_root"] = str(self.source)
            try:
                place = str(parser.get_parsed_content("dataset_dir"))
            except Exception as error:  # a config can raise anything
                if isinstance(reason(error), DataError):
                    raise Skipped("its data are not here", NO_DATA) from error
                raise
        if not Path(place).exists():
            raise Skipped(f"no data at {place}", NO_DATA)
        return str(Path(place).resolve())

"""Names that are imported when they are first used are there for everybody who looks, and nothing is loaded before."""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAZY = ("dvpt_monai", "dvpt_monai.networks", "dvpt_monai.networks.pretrained", "dvpt_monai.phantoms")


def fresh(code):
    """What code prints in a Python of its own, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loaded(code):
    """The top-level packages and our own modules that a fresh Python has after code."""
    modules = fresh(f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))")
    return {name for name in modules if "." not in name or name.startswith("dvpt_monai.")}


@pytest.mark.parametrize("package", LAZY)
def test_what_type_checkers_read_is_what_there_is(package):
    module = importlib.import_module(package)
    [block] = [node for node in ast.parse(Path(module.__file__).read_text()).body if isinstance(node, ast.If)]
    assert block.test.id == "TYPE_CHECKING"
    imports = {alias.name: node.module for node in block.body for alias in node.names}
    own = {name for name in module.__all__ if name not in imports}
    assert set(imports) == set(module.__all__) - own and own <= set(vars(module))
    for name, source in imports.items():
        assert getattr(module, name) is getattr(importlib.import_module(source), name), name
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", LAZY)
def test_a_name_that_is_none(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nobody'"):
        _ = importlib.import_module(package).Nobody
    with pytest.raises(ImportError, match="cannot import name 'Nobody'"):
        exec(f"from {package} import Nobody")


@pytest.mark.bundle
def test_a_star_a_list_and_a_help_text_have_all():
    said = fresh(
        "import json, pydoc, dvpt_monai\n"
        "listed, names = dir(dvpt_monai), {}\n"
        "exec('from dvpt_monai import *', names)\n"
        "text = pydoc.render_doc(dvpt_monai, renderer=pydoc.plaintext)\n"
        "print(json.dumps([dvpt_monai.__all__, listed, list(names), text]))"
    )
    everything, listed, starred, text = said
    assert set(everything) <= set(listed) and set(everything) <= set(starred)
    assert all(name in text for name in everything)
    assert "class LoRA(" in text and "load_adapter(network" in text


def test_rooms_are_there_without_an_import_of_their_own():
    assert fresh("import json, dvpt_monai; print(json.dumps(dvpt_monai.tuning.__name__))") == "dvpt_monai.tuning"


def test_the_package_alone_loads_nothing():
    modules = loaded("import dvpt_monai; assert dvpt_monai.__version__; assert 'tune' in dir(dvpt_monai)")
    assert not modules & {"torch", "numpy", "monai", "click"}
    assert {name for name in modules if name.startswith("dvpt_monai.")} == {"dvpt_monai.lazy", "dvpt_monai.version"}


def test_what_is_pytorch_alone_loads_no_monai():
    modules = loaded("from dvpt_monai import METHODS, LoRA, Receipt, load_adapter, parameter_groups")
    assert "monai" not in modules and "torch" in modules


@pytest.mark.bundle
@pytest.mark.parametrize("path", ["dvpt_monai.tuning", "dvpt_monai.tuning.method", "dvpt_monai"])
def test_every_method_is_registered_wherever_the_registry_is_read(path):
    here = fresh(f"import json\nfrom {path} import METHODS\nprint(json.dumps(sorted(METHODS)))")
    import dvpt_monai.methods

    classes = {name for name in dvpt_monai.methods.__all__ if name[0].isupper()} | {"Stack"}
    assert set(here) == classes


@pytest.mark.bundle
@pytest.mark.parametrize("method", ["EPT", "DVPT"])
def test_an_adapter_loads_in_a_process_that_names_no_method(tmp_path, method):
    path = tmp_path / "adapter.safetensors"
    build = (
        "import json, torch\nfrom dvpt_monai import ViTEncoder\ntorch.manual_seed(0)\n"
        "sizes = {'in_channels': 1, 'img_size': 16, 'patch_size': 8, 'spatial_dims': 2}\n"
        "network = ViTEncoder(**sizes, hidden_size=12, mlp_dim=24, num_layers=2, num_heads=2)\n"
    )
    fresh(
        f"{build}from dvpt_monai import {method}, save_adapter, tune\n"
        f"print(json.dumps(str(save_adapter(tune(network, {method}()), {str(path)!r}))))"
    )
    tuned_by = fresh(
        f"{build}from dvpt_monai import load_adapter\n"
        f"print(json.dumps(type(load_adapter(network, {str(path)!r}).tuning.method).__name__))"
    )
    assert tuned_by == method


DRAWING = {f"dvpt_monai.phantoms.{name}" for name in ("adrenal", "chest", "fundus", "hippocampus", "idrid", "medfmc")}
SHIPPING = {f"dvpt_monai.ship.{name}" for name in ("check", "complete", "pack", "network")}


@pytest.mark.bundle
@pytest.mark.parametrize("name", ["fundus_lesion_segmentation", "hippocampus_mri_segmentation"])
def test_a_training_loads_no_more_than_it_uses(name):
    """The config without its data: imports, network, optimiser, transforms; and the rooms that its other parts need."""
    folder = ROOT / "bundles" / name
    modules = loaded(
        "import contextlib, os\nfrom monai.bundle import ConfigParser\nparser = ConfigParser()\n"
        f"parser.read_config({str(folder / 'configs' / 'train.json')!r})\n"
        f"parser.update({{'bundle_root': {str(folder)!r}, 'backbone_weights': 'random'}})\n"
        "with contextlib.redirect_stdout(open(os.devnull, 'w')):\n"
        "    for part in ('imports', 'network', 'optimizer', 'prepare', 'augment'):\n"
        "        parser.get_parsed_content(part)\n"
        "import dvpt_monai.handlers, dvpt_monai.metrics, dvpt_monai.inferers"
    )
    assert {"monai", "dvpt_monai.tuning", "dvpt_monai.transforms", "dvpt_monai.phantoms.folder"} <= modules
    assert not modules & (DRAWING | SHIPPING | {"dvpt_monai.new_bundle", "dvpt_monai.commands"})

"""The adapters that come with the bundles: they fit, they name their backbone, they score what the bundles say."""

import json
import shutil
from pathlib import Path

import pytest

from dvpt_monai import BackboneMismatchError, load_pretrained, read_header
from dvpt_monai.bundle_files import ADAPTER
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.ship.complete import complete
from dvpt_monai.ship.pack import pack
from dvpt_monai.tuning.adapter import check_backbone

BUNDLES = Path(__file__).parents[2] / "bundles"
SHIPPED = sorted(path.name for path in BUNDLES.iterdir() if (path / ADAPTER).is_file())
DATA = {
    "adrenal_ct_classification": "adrenalmnist3d_64",
    "fundus_dr_classification": "idrid_grading",
    "fundus_lesion_segmentation": "idrid_lesions",
    "hippocampus_mri_segmentation": "Task04_Hippocampus",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_an_adapter_fits_its_bundle_and_names_its_backbone(name, tmp_path):
    archive = pack(BUNDLES / name, tmp_path, slim=True)  # refuses one that does not fit network_def
    assert archive.stat().st_size < 7_000_000
    header = read_header(BUNDLES / name / ADAPTER)
    source = header["backbone"]["receipt"]["source"]
    assert header["backbone"]["receipt"]["sha256"] == CATALOG[source].source.sha256
    assert header["result"]["task"] == name and header["result"]["phantom"] is False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SHIPPED)
def test_the_bundle_trains_on_the_backbone_of_its_adapter(name, backbone_file):
    """Its config pins how positions are resized, as in the adapter, where that is not their authors' way."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(BUNDLES / name / "configs" / "train.json"))
    parser["bundle_root"] = str(BUNDLES / name)
    pretrained = parser.get_parsed_content("pretrained")
    header = read_header(BUNDLES / name / ADAPTER)["backbone"]
    before = header["receipt"].get("position_resize", "plain")  # what an older one does not say
    assert before == pretrained.receipt.position_resize == "plain"
    positions = "vit.patch_embedding.position_embeddings"
    expected = {positions: header["fingerprint"][positions]}
    check_backbone(pretrained, expected, ADAPTER)
    load_pretrained(pretrained, backbone_file)
    assert pretrained.receipt.position_resize == "antialias"
    with pytest.raises(BackboneMismatchError, match="position_resize='plain'"):
        check_backbone(pretrained, expected, ADAPTER)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_score_is_given_with_every_adapter(name):
    metadata = json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())
    assert metadata["eval_metrics"]
    page = (BUNDLES / name / "docs" / "README.md").read_text()
    for value in metadata["eval_metrics"].values():
        assert f"{value:.3f}" in page, value


@pytest.mark.bundle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.product] * name.startswith("fundus_lesion")) for name in SHIPPED]
)
def test_an_adapter_scores_on_real_data_what_the_metadata_say(name, tmp_path, real_data, backbone_file):
    from monai.bundle import ConfigWorkflow

    data = real_data(DATA[name])
    root = tmp_path / name
    shutil.copytree(BUNDLES / name, root, ignore=shutil.ignore_patterns("model.pt", "output"))
    complete(root, backbone_file)
    configs = [str(root / "configs" / f"{config}.json") for config in ("train", "evaluate")]
    workflow = ConfigWorkflow(configs, workflow_type="train", logging_file=False, dataset_dir=str(data))
    workflow.initialize()
    workflow.run()
    scores = json.loads((root / "output" / "metrics.json").read_text())
    expected = json.loads((root / "configs" / "metadata.json").read_text())["eval_metrics"]
    assert scores["data"] == "real"
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=5e-4)

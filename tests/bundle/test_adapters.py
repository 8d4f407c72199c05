"""``--adapters A,B,C`` of every bundle: the mean of what each adapter says, and how far they are apart."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dvpt_monai import save_adapter
from dvpt_monai.commands import main
from dvpt_monai.errors import AdapterError, BackboneMismatchError, BundleError, reason
from dvpt_monai.tuning import read_header

LATER = {"_target_": "dvpt_monai.LoRA", "layers": [1], "rank": 2}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("hippocampus", "chest", "adrenal", "lesions")]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def columns(table, prefix):
    names = [name for name in table[0] if name.startswith(prefix)]
    return np.array([[float(row[name]) for name in names] for row in table])


@pytest.fixture
def ensemble(tmp_path):
    """`ensemble(bundle)`: three adapters on one backbone, that have learned something; the options that name them."""

    def make(bundle, method=LATER, **settings):
        options = {"method": method}
        parser = bundle.workflow("inference", checkpoint=str(tmp_path / "none.pt"), **options).parser
        network = parser.get_parsed_content("network_def")
        state = network.state_dict()
        backbone = {key: value for key, value in state.items() if key.startswith("vit.") and ".tuner." not in key}
        behind = {key.replace(".1.", ".2."): v for key, v in backbone.items() if key.startswith("vit.blocks.1.")}
        torch.save(behind | backbone, tmp_path / "vit.pt")
        files = []
        for seed in range(3):
            torch.manual_seed(seed)
            with torch.no_grad():
                for parameter in network.parameters():
                    if parameter.requires_grad:
                        parameter.copy_(torch.randn_like(parameter) / 2)
            known = {**json.loads(json.dumps(parser.get_parsed_content("settings"))), **settings}
            files.append(str(save_adapter(network, tmp_path / f"{seed}.safetensors", known)))
        options |= {"backbone_weights": str(tmp_path / "vit.pt"), "checkpoint": str(tmp_path / "none.pt")}
        return SimpleNamespace(files=files, options=options, joined=",".join(files))

    return make


def network_of(bundle, **options):
    return bundle.workflow("inference", **options).parser.get_parsed_content("network").eval()


@pytest.mark.parametrize("name", ["fundus", *SLOW])
@torch.no_grad()
def test_the_mean_of_the_probabilities(request, ensemble, tmp_path, name):
    bundle = request.getfixturevalue(name)
    made = ensemble(bundle)
    parser = bundle.workflow("inference", adapters=made.joined, **made.options).parser
    image = parser.get_parsed_content("dataset")[0]["image"][None]
    size = parser.get_parsed_content("network_def").vit.img_size
    image = (
        torch.nn.functional.interpolate(torch.as_tensor(image), size) if name in ("hippocampus", "lesions") else image
    )
    answer = parser.get_parsed_content("network").eval()(image)
    activate = torch.sigmoid if name in ("chest", "lesions") else lambda logits: logits.softmax(1)
    singles = []
    for file in made.files:
        workflow = bundle.workflow("inference", adapter=file, **made.options)
        handler = workflow.parser.get_parsed_content("handlers")[0]
        handler(None)
        singles.append(activate(handler.network.eval()(image)))
    singles = torch.stack(singles)
    if name in ("hippocampus", "lesions"):
        torch.testing.assert_close(activate(answer), singles.mean(0))
    else:
        torch.testing.assert_close(activate(answer[:, 0]), singles.mean(0))
        torch.testing.assert_close(answer[:, 1], singles.std(0, correction=0))
    assert singles.std(0).max() > 0.01
    bundle.run("inference", adapters=made.files, output_dir=str(tmp_path / "out"), **made.options)
    assert (tmp_path / "out" / "cases.jsonl").is_file()


def test_the_table_has_mean_and_spread(fundus, ensemble, tmp_path, monkeypatch):
    made = ensemble(fundus)
    singles = []
    for file in made.files:
        fundus.run("inference", adapter=file, output_dir=str(tmp_path / "one"), **made.options)
        table = rows(tmp_path / "one" / "predictions.csv")
        assert not any(name.startswith("spread") for name in table[0])
        singles.append(columns(table, "probability_"))
    fundus.run("inference", adapters=made.joined, output_dir=str(tmp_path / "all"), **made.options)
    table = rows(tmp_path / "all" / "predictions.csv")
    np.testing.assert_allclose(columns(table, "probability_"), np.mean(singles, 0), atol=1e-6)
    np.testing.assert_allclose(columns(table, "spread_"), np.std(singles, 0), atol=1e-6)
    assert columns(table, "spread_").max() > 0.01
    grades = (columns(table, "probability_") * range(5)).sum(1).round()
    assert [int(row["prediction"]) for row in table] == grades.tolist()
    command = ["predict", "--bundle", fundus.root, "--input", fundus.data / "images", "--output", tmp_path / "command"]
    command += ["--adapters", made.joined, "--backbone-weights", tmp_path / "vit.pt"]
    monkeypatch.setattr("sys.argv", ["dvpt_monai", *map(str, command)])
    main()
    assert rows(tmp_path / "command" / "predictions.csv") == table


def test_what_is_frozen_runs_once(fundus, ensemble):
    made = ensemble(fundus)
    network = network_of(fundus, adapters=made.joined, **made.options)
    runs = []
    for member in network.ensemble.members:
        member.vit.blocks[0].register_forward_hook(lambda *_: runs.append(0))
        member.vit.blocks[1].register_forward_hook(lambda *_: runs.append(1))
    network(torch.rand(2, 3, 56, 56))
    assert runs == [0, 1, 1, 1]


def test_adapters_of_the_first_block_run_the_whole_each(fundus, ensemble, caplog):
    """Such as those of the bundle's own method, DVPT in every block."""
    made = ensemble(fundus, {"_target_": "dvpt_monai.DVPT"})
    with caplog.at_level("INFO"):
        network = network_of(fundus, adapters=made.joined, **made.options)
    assert "each runs all" in caplog.text
    images = torch.rand(2, 3, 56, 56)
    with torch.no_grad():
        each = torch.stack([member(images).softmax(1) for member in network.ensemble.members])
        torch.testing.assert_close(network(images)[:, 0].softmax(1), each.mean(0))


def test_an_evaluation_scores_the_mean(fundus, ensemble, tmp_path):
    made = ensemble(fundus)
    del made.options["checkpoint"]
    fundus.run("train", "evaluate", adapters=made.joined, output_dir=str(tmp_path / "scored"), **made.options)
    scored = rows(tmp_path / "scored" / "predictions.csv")
    fundus.run("inference", adapters=made.joined, output_dir=str(tmp_path / "all"), **made.options)
    predicted = {row["image"]: row for row in rows(tmp_path / "all" / "predictions.csv")}
    assert len(scored) == 10 and (tmp_path / "scored" / "metrics.csv").is_file()
    for row in scored:
        other = predicted[row["image"].removeprefix("images/")]
        for name in ("probability_0", "spread_3"):
            assert float(row[name]) == pytest.approx(float(other[name]), abs=1e-5)


def test_other_files_predict_anew(fundus, ensemble, tmp_path, capsys):
    made = ensemble(fundus)
    written = []
    for files in (made.files[:2], made.files[:2], made.files[1:]):
        capsys.readouterr()
        fundus.run("inference", adapters=files, output_dir=str(tmp_path / "out"), **made.options)
        written.append("Wrote 0 predictions" not in capsys.readouterr().out)
    assert written == [True, False, True]


def refused(bundle, kind, options, **more):
    with pytest.raises(Exception) as raised:
        bundle.run("inference", **{**options, **more})
    error = reason(raised.value)
    assert isinstance(error, kind), error
    return str(error)


def test_what_does_not_go_together_is_named(fundus, ensemble, tmp_path):
    made = ensemble(fundus)
    one = made.files[0]
    gone = str(tmp_path / "gone.safetensors")
    assert gone in refused(fundus, AdapterError, made.options, adapters=f"{one},{gone}")
    message = refused(fundus, BundleError, made.options, adapters=made.joined, adapter=one)
    assert "give all of them with --adapters" in message
    assert "commas" in refused(fundus, BundleError, made.options, adapters=f"{one},")

    other = str(tmp_path / "other.safetensors")
    state = torch.load(tmp_path / "vit.pt")
    torch.save({key: value + 0.1 * torch.randn_like(value) for key, value in state.items()}, tmp_path / "another.pt")
    message = refused(fundus, BackboneMismatchError, made.options, adapters=made.joined,
                      backbone_weights=str(tmp_path / "another.pt"))  # fmt: skip
    assert one in message
    (tmp_path / "0.safetensors").rename(other)
    ensemble(fundus)  # on another random backbone
    message = refused(fundus, BackboneMismatchError, made.options, adapters=f"{one},{other}")
    assert other in message and one not in message
    ensemble(fundus, {**LATER, "rank": 3})
    assert read_header(one)["method"]["rank"] == 3
    message = refused(fundus, BundleError, made.options, adapters=f"{other},{one}")
    assert f"{one} was trained with method" in message and '"rank": 3' in message and other in message
    ensemble(fundus, image_size=70)
    message = refused(fundus, BundleError, made.options, adapters=f"{other},{one}")
    assert f"{one} was trained with image_size 70, {other} with 56" in message

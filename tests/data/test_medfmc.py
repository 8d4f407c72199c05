"""Lists of MedFMC: their three formats, few shots by the official lists and by our own draws, and wrong lists."""

import re

import numpy as np
import pytest
from PIL import Image

from dvpt_monai.data import MEDFMC_LABELS, medfmc_labels, medfmc_shots, positive_weights, read_medfmc
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms import draw_chest, write_medfmc

# Lines as they stand in the official lists.
CHEST = "DX.1.2.392.200046.100.2.1.69131194618.191116084230.1.1.1.png 1,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
ENDO = "13333_2021.12_0007_57297486.png 1 0 0 1"
COLON = "2019-08976-1-1-1_2019-05-28 23_07_27-lv1-54636-8351-5285-8025p0036.png 0"


@pytest.fixture
def listed(tmp_path):
    """`listed("endo", line, ...)` writes a list and the images that it names, and is the folder."""

    def write(subset, *lines, part="trainval", end="\n"):
        folder = tmp_path / subset
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / f"{part}.txt").write_bytes("".join(line + end for line in lines).encode())
        for line in lines:
            name = re.match(r"(.*\.png|)", line)[0]
            (folder / "images" / name).write_bytes(b"") if name else None
        return tmp_path

    return write


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    home = tmp_path_factory.mktemp("phantoms")
    return {subset: write_medfmc(home / subset, subset, size=32) for subset in MEDFMC_LABELS}


def test_the_labels_are_medfmcs():
    assert [len(MEDFMC_LABELS[subset]) for subset in ("chest", "endo", "colon")] == [19, 4, 1]
    assert medfmc_labels("chest")[0] == "pleural_effusion" and medfmc_labels("chest")[-1] == "consolidation"
    assert medfmc_labels("eyes", ["a", "b"]) == ["a", "b"]
    with pytest.raises(DataError, match="eyes"):
        medfmc_labels("eyes")
    with pytest.raises(DataError, match="labels="):
        medfmc_labels("chest", ["a", "a"])


@pytest.mark.parametrize(
    ("subset", "line", "label", "group"),
    [
        ("chest", CHEST, [1, 0, 0, 0, 1] + 14 * [0], None),
        ("endo", ENDO, [1, 0, 0, 1], "13333_2021.12_0007"),
        ("colon", COLON, [0], "2019-08976-1-1-1_2019-05-28 23_07_27-lv1-54636-8351-5285-8025"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n\n"])
def test_lines_of_each_set(listed, subset, line, label, group, end):
    home = listed(subset, line, end=end)
    [case] = read_medfmc(home, subset=subset)
    assert case["label"] == label and case.get("group") == group
    assert case["image"] == str(home / subset / "images" / re.match(r".*\.png", line)[0])
    assert case["name"] == f"{subset}/images/" + re.match(r".*\.png", line)[0]


def test_an_image_drawn_for_two_labels_is_one_case(listed):
    home = listed("endo", ENDO, "13333_2021.12_0007_57297487.png 0 0 0 1", ENDO, part="endo_1-shot_train_exp1")
    assert [case["label"] for case in read_medfmc(home, "endo_1-shot_train_exp1", "endo")] == [
        [1, 0, 0, 1],
        [0, 0, 0, 1],
    ]


def test_lists_may_lie_elsewhere(listed, tmp_path):
    home = listed("endo", ENDO)
    lists = tmp_path / "lists"
    (lists / "endo").mkdir(parents=True)
    (home / "endo" / "trainval.txt").rename(lists / "endo" / "trainval.txt")
    assert read_medfmc(home, subset="endo", lists_dir=lists)[0]["image"].startswith(str(home / "endo" / "images"))


def test_a_set_of_ones_own(listed):
    home = listed("knees", "a.png 1 0", "b.jpeg.png 0,1")
    cases = read_medfmc(home, subset="knees", labels=["cyst", "tear"])
    assert [case["label"] for case in cases] == [[1, 0], [0, 1]] and "group" not in cases[0]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a.png 1 0 0 0", "b.png 1 0 0"], "line 2: 3 labels, but 4 names; set subset="),
        (["a.png 1 0 2 0"], "line 1: '2' is neither 0 nor 1"),
        (["a.png"], "line 1: 'a.png' is no image with labels"),
        (["a.png 1 0 0 0", "b.png 0 0 0 0", "a.png 0 0 0 0"], "line 3: a.png has other labels than on line 1"),
        (["", " "], "no images in this list"),
        ([], "no images in this list"),
    ],
)
def test_a_wrong_list_names_file_line_and_remedy(listed, lines, words):
    home = listed("endo", *lines)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        read_medfmc(home, subset="endo")
    assert str(home / "endo" / "trainval.txt") in str(error.value)


def test_missing_lists_and_images(listed):
    home = listed("endo", ENDO, "13333_2021.12_0007_57297487.png 0 0 0 1")
    with pytest.raises(DataError, match=r"testing.*\['trainval'\].*lists_dir="):
        read_medfmc(home, "testing", "endo")
    (home / "endo" / "images" / "13333_2021.12_0007_57297487.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 files do not exist.*57297487.png"):
        read_medfmc(home, subset="endo")
    (home / "endo" / "trainval.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_medfmc(home, subset="endo")


@pytest.mark.parametrize("subset", ["chest", "endo", "colon"])
@pytest.mark.parametrize("shots", [1, 5])
def test_the_official_lists_are_what_trains_and_validates(phantoms, subset, shots):
    home = phantoms[subset]
    few = medfmc_shots(home, shots, 3, subset)
    lines = (home / subset / f"{subset}_{shots}-shot_train_exp3.txt").read_text().splitlines()
    names = {line.rsplit(".png", 1)[0] for line in lines}
    assert {case["image"].rsplit("/", 1)[1][:-4] for case in few.train} == names
    trained = {case["image"] for case in few.train}
    everything = {case["image"] for case in read_medfmc(home, "trainval", subset)}
    assert {case["image"] for case in few.validation} == everything - trained  # the phantoms' lists name all
    assert f"{subset}_{shots}-shot_train_exp3.txt and {subset}_{shots}-shot_val_exp3.txt" in few.summary
    assert f"{len(trained)} images of the latter train and are left out" in few.summary


def test_a_list_of_k_shots_holds_k_patients_of_each_label(phantoms):
    for subset, shots in (("chest", 1), ("endo", 5)):
        everything = read_medfmc(phantoms[subset], "trainval", subset)
        train = medfmc_shots(phantoms[subset], shots, 1, subset).train
        for place in range(len(MEDFMC_LABELS[subset])):
            known = {case.get("group", case["image"]) for case in everything if case["label"][place]}
            drawn = {case.get("group", case["image"]) for case in train if case["label"][place]}
            assert min(shots, len(known)) <= len(drawn) <= len(known)


def test_validation_without_patients_that_train(phantoms):
    few = medfmc_shots(phantoms["endo"], 1, 1, "endo", new_patients=True)
    train = {case["group"] for case in few.train}
    assert few.validation and train.isdisjoint(case["group"] for case in few.validation)
    usual = medfmc_shots(phantoms["endo"], 1, 1, "endo")
    known = [case for case in usual.validation if case["group"] in train]
    assert known and len(usual.validation) == len(few.validation) + len(known)  # negative control
    assert f"{len(known)} more are of patients that train" in usual.summary


def test_other_shots_are_drawn_by_patient_and_said_so(phantoms):
    few = medfmc_shots(phantoms["endo"], 2, 4, "endo")
    assert "no official list of 2 shots, so drawn by patient with seed 4" in few.summary
    groups = {case["group"] for case in few.train}
    assert groups.isdisjoint(case["group"] for case in few.validation)
    assert len(few.train) == sum(case["group"] in groups for case in read_medfmc(phantoms["endo"], subset="endo"))
    for place in range(4):
        assert len({case["group"] for case in few.train if case["label"][place]}) >= 2
    again, other = (medfmc_shots(phantoms["endo"], 2, seed, "endo") for seed in (4, 5))
    assert again.train == few.train != other.train
    assert again.validation == other.validation  # one fold, whatever is drawn


def test_all_of_trainval(phantoms):
    few = medfmc_shots(phantoms["chest"], None)
    everything = {case["name"] for case in read_medfmc(phantoms["chest"])}
    train, validation = ({case["name"] for case in part} for part in (few.train, few.validation))
    assert train | validation == everything and not train & validation and "all from trainval.txt" in few.summary
    assert 10 <= len(validation) <= 32  # a fifth of 100, give or take three deviations
    part = medfmc_shots(phantoms["chest"], None, label_fraction=0.5)
    assert {case["name"] for case in part.train} < train and part.validation == few.validation
    assert 0.33 <= len(part.train) / len(train) <= 0.67


def test_labels_without_a_positive_image_are_told(listed):
    lines = ["a_1.png 1 0 0 0", "b_1.png 1 1 0 0", "c_1.png 0 1 0 0"]
    listed("endo", lines[0], part="endo_1-shot_train_exp1")
    home = listed("endo", *lines[1:], part="endo_1-shot_val_exp1")
    told = medfmc_shots(home, 1, 1, "endo").summary
    assert "to train on: erosion, polyp, tumor" in told and "to validate on: polyp, tumor" in told
    listed("endo", "b_1.png 0 0 0 0", part="endo_1-shot_val_exp1")
    with pytest.raises(DataError, match="none to validate on has a label"):
        medfmc_shots(home, 1, 1, "endo")


def test_what_trains_never_validates(phantoms):
    with pytest.raises(DataError, match="folds=1"):
        medfmc_shots(phantoms["chest"], None, folds=1)


def test_an_experiment_without_list(phantoms):
    with pytest.raises(DataError, match=r"experiment=6.*chest_5-shot_train_exp5"):
        medfmc_shots(phantoms["chest"], 5, 6)
    with pytest.raises(DataError, match="endo"):
        medfmc_shots(phantoms["chest"], 5, 1, "endo")


def test_positive_weights_balance_both_answers():
    labels = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]])
    cases = [{"image": f"{i}.png", "label": row.tolist()} for i, row in enumerate(labels)]
    names = ["a", "b", "c", "d"]
    weights = positive_weights(cases, names).numpy()
    assert weights[2] == 1
    for place in (0, 1, 3):
        assert weights[place] * labels[:, place].sum() == pytest.approx((1 - labels[:, place]).sum())
    assert positive_weights(cases, names, 0).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(positive_weights(cases, names, 0.5), weights**0.5, rtol=1e-6)
    with pytest.raises(DataError, match="empty"):
        positive_weights([], names)


@pytest.mark.parametrize("subset", ["chest", "endo", "colon"])
def test_phantoms_lie_as_medfmc_does(phantoms, subset):
    folder = phantoms[subset] / subset
    shots = [
        f"{subset}_{k}-shot_{part}_exp{e}.txt" for k in (1, 5, 10) for part in ("train", "val") for e in range(1, 6)
    ]
    assert {path.name for path in folder.iterdir()} == {"images", "trainval.txt", "test_WithLabel.txt", *shots}
    train, test = (read_medfmc(phantoms[subset], part, subset) for part in ("trainval", "test_WithLabel"))
    assert (len(train), len(test)) == (100, 40)
    assert {case["image"] for case in train}.isdisjoint(case["image"] for case in test)
    for part in (train, test):
        assert np.array([case["label"] for case in part]).any(axis=0).all()
    with Image.open(train[0]["image"]) as image:
        assert image.mode == ("L" if subset == "chest" else "RGB") and image.size == (32, 32)
    if subset == "endo":  # an image stands in the list once for each label that it was drawn for
        lines = (folder / "endo_10-shot_train_exp1.txt").read_text().splitlines()
        assert len(set(lines)) < len(lines)


def test_each_label_has_a_mark_of_its_own():
    plain = draw_chest(19 * [0], 64, seed=3).astype(int)
    marks = [draw_chest([int(k == place) for k in range(19)], 64, seed=3) != plain for place in range(19)]
    assert all(20 < mark.sum() < 600 for mark in marks)
    assert not any((a == b).all() for i, a in enumerate(marks) for b in marks[:i])
    assert np.abs(draw_chest(19 * [0], 64, seed=4).astype(int) - plain).mean() > 3
    with pytest.raises(DataError, match="21 labels"):
        draw_chest(21 * [0])

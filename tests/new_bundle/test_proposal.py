"""Settings follow from the data: sizes, spacing, window, parts."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dvpt_monai.data import fold_cases, split
from dvpt_monai.errors import BundleError, DataError
from dvpt_monai.layouts import list_cases
from dvpt_monai.layouts.listing import Case, Listing
from dvpt_monai.new_bundle.account import account
from dvpt_monai.new_bundle.backbone import Architecture, architecture_of
from dvpt_monai.new_bundle.header import Header
from dvpt_monai.new_bundle.masks import Masks
from dvpt_monai.new_bundle.page import page
from dvpt_monai.new_bundle.parts import place
from dvpt_monai.new_bundle.proposal import Options, propose
from dvpt_monai.new_bundle.recipe import recipe
from dvpt_monai.new_bundle.strategy import MOST
from dvpt_monai.new_bundle.survey import Survey, survey
from dvpt_monai.new_bundle.write import _rows
from dvpt_monai.recipes import BUNDLES, files

VIT = Architecture("vit", {"hidden_size": 384, "mlp_dim": 1536, "num_layers": 12, "num_heads": 6}, patch=14)


def photographs(size, count=40, task="classification", **options):
    """The settings for photographs of this size, without any file."""
    return settings(Header(size, 3, 8, "RGB"), count, task, **options)


def volumes(size, spacing=(1.0, 1.0, 1.0), task="segmentation", architecture=VIT, **options):
    affine = np.diag([*spacing, 1.0])
    return settings(
        Header(size, 1, 16, "int16", spacing, "RAS", affine), 40, task, architecture=architecture, **options
    )


def settings(header, count, task, hounsfield=False, window=(-57.3, 164.2), architecture=VIT, **options):
    labels = [f"c{i % 2}" if task == "classification" else Path(f"/data/m{i}.png") for i in range(count)]
    cases = tuple(Case(Path(f"/data/{i}.png"), label) for i, label in enumerate(labels))
    masks = Masks((0, 1), {0: count, 1: count}, {0: 0.9, 1: 0.1}, 0) if task == "segmentation" else None
    found = Survey(Listing("", Path("/data"), cases), (header,) * count, masks, hounsfield, window)
    return propose(found, architecture, f"mine_{task}", Options(**options))


@pytest.mark.parametrize(
    ("side", "expected", "few"), [(28, 112, 112), (150, 154, 154), (512, 224, 168), (4000, 224, 168)]
)
def test_photographs_to_classify(side, expected, few):
    """A multiple of the backbone's patch, of the longer side, and of as many patches as a laptop bears."""
    assert photographs((side // 2, side), count=400).image_size == (expected, expected)
    assert photographs((side // 2, side), count=40).image_size == (few, few)


@pytest.mark.parametrize(("patch", "side"), [(8, 128), (14, 224), (16, 224), (32, 224)])
def test_a_photograph_to_classify_has_at_most_sixteen_patches_or_224_pixels_a_side(patch, side):
    found = photographs((900, 900), count=400, architecture=replace(VIT, patch=patch))
    assert found.image_size == (side, side)


def test_photographs_are_classified_as_those_of_the_fundus():
    """By the same method, on all blocks, with the same rates, as long for as many cases, from activations."""
    [fundus] = [made for made in BUNDLES if made.name == "fundus_dr_classification"]
    found = recipe(photographs((512, 512), count=516))  # 330 to train on, as in a fold of the fundus
    fields = ("batch_size", "learning_rate", "head_learning_rate", "cache_features")
    assert {name: getattr(found, name) for name in fields} == {name: getattr(fundus, name) for name in fields}
    assert abs(found.epochs - fundus.epochs) <= 1 and found.images.size == fundus.images.size
    assert found.network.method == fundus.network.method and found.network.ids["tap"] is None
    deep = replace(VIT, arguments={**VIT.arguments, "num_layers": 24})
    assert photographs((512, 512), count=400, architecture=deep).tap is None


def test_few_photographs_are_classified_as_those_of_the_study():
    """Inside half of the blocks, at rates that last for few steps; one image more is beside them."""
    at = {photographs((512, 512), count=count).parts.training: count for count in range(60, 130)}
    few, more = (recipe(photographs((512, 512), count=at[count])) for count in (MOST, MOST + 1))
    assert few.network.method == {"_target_": "dvpt_monai.DVPT", "gate": 0.1}
    assert (few.network.ids["tap"], few.images.size, few.epochs, few.batch_size) == (6, 168, 40, 16)
    assert (few.learning_rate, few.head_learning_rate, few.cache_features) == (9e-4, 0.014, 0)
    assert more.network.method == {"_target_": "dvpt_monai.SideDVPT"} and more.network.ids["tap"] is None
    found = photographs((512, 512), count=40)
    said = " ".join((account(found, Path("out")) + page(found)).split())
    assert "as for tens of images" in said and f"for {MOST} images to train on or fewer" in said
    assert "kept on the disk" not in said


@pytest.mark.parametrize(
    ("proposal", "method", "tap", "size", "words"),
    [
        (photographs((900, 900), architecture=architecture_of("random")), "FullFineTuning", None, (192, 192), "all we"),
        (photographs((900, 900), task="segmentation"), "DVPT", 6, (256, 256), "DVPT on the frozen backbone"),
        (volumes((64, 64, 64), task="classification"), "DVPT", 6, (64, 64, 64), "DVPT on the frozen backbone"),
        (volumes((64, 64, 64)), "DVPT", 6, (64, 64, 64), "DVPT on the frozen backbone"),
    ],
    ids=["random", "masks", "volumes", "masks of volumes"],
)
def test_all_else_trains_from_images(proposal, method, tap, size, words):
    found = recipe(proposal)
    assert found.network.method["_target_"] == f"dvpt_monai.{method}" and proposal.image_size == size
    assert (found.cache_features, found.learning_rate, found.network.ids["tap"]) == (0, 0.0003, tap)
    assert proposal.batch_size <= 8 and not any("kept on the disk" in note.text for note in proposal.notes)
    said = " ".join(account(proposal, Path("out")).split())
    assert words in said and "SideDVPT" not in said + page(proposal)


def test_what_is_kept_is_told():
    """On the terminal and on the page, and no reason that only a training from images has."""
    found = photographs((900, 900), count=400)
    said = " ".join(account(found, Path("out")).split())
    assert "SideDVPT beside the frozen backbone, from cached activations" in said and "--cache_features 0" in said
    assert "shrunk to 224 pixels; larger ones" in said and "so that a laptop" not in said
    assert "`--cache_features auto`" in page(found) and "cut after block" not in said


@pytest.mark.parametrize(("side", "expected", "patch"), [(50, 56, 8), (128, 128, 8), (130, 144, 16), (900, 256, 16)])
def test_photographs_to_segment(side, expected, patch):
    found = photographs((side, side), task="segmentation")
    assert found.image_size == (expected, expected) and found.patch == patch


@pytest.mark.parametrize(
    ("size", "spacing", "expected", "grid"),
    [
        ((35, 50, 36), (1, 1, 1), (40, 56, 40), (1, 1, 1)),
        ((120, 120, 60), (1, 1, 1), (64, 64, 64), (1, 1, 1)),
        ((320, 320, 20), (0.625, 0.625, 3.6), (64, 64, 24), (1.04, 1.04, 3.6)),
        ((512, 512, 300), (0.8, 0.8, 2.5), (64, 64, 64), (2.13, 2.13, 3.91)),
        ((100, 100, 6), (1, 1, 5), (64, 64, 16), (1, 1, 5)),
    ],
    ids=["hippocampus", "two windows", "prostate", "abdomen", "few slices"],
)
def test_volumes_to_segment(size, spacing, expected, grid):
    """Windows hold whole patches, and no volume is more than three of them long."""
    found = volumes(size, tuple(map(float, spacing)))
    assert found.image_size == expected and found.spacing == pytest.approx(grid)
    assert all(side % found.patch == 0 and side >= 2 * found.patch for side in found.image_size)
    assert any("coarser" in note.text for note in found.notes) == (tuple(map(float, spacing)) != found.spacing)


@pytest.mark.parametrize(
    ("size", "spacing", "expected", "scale"),
    [((64, 64, 64), (1, 1, 1), (64, 64, 64), 1.0), ((512, 512, 200), (0.5, 0.5, 1), (64, 64, 56), 4.0)],
)
def test_volumes_to_classify(size, spacing, expected, scale):
    """The whole volume, at one scale for all axes."""
    found = volumes(size, tuple(map(float, spacing)), task="classification")
    assert found.spacing == (scale,) * 3 and found.image_size == expected and found.coarse is None
    reading = recipe(found).network.reading
    assert reading["volume"] == "inflate" and reading["slice_axes"] == ([0, 1, 2] if scale == 1 else [2])


@pytest.mark.parametrize(
    ("size", "spacing", "grid", "expected", "axis"),
    [
        ((64, 64, 20), (1, 1, 2.51), (1, 1, 2.51), (64, 64, 24), 2),
        ((512, 24, 512), (0.5, 6, 0.5), (4, 6, 4), (64, 24, 64), 1),
        ((64, 64, 320), (0.5, 0.4, 2), (0.5, 0.5, 10), (64, 56, 64), 2),
        ((64, 64, 20), (1, 1, 2.5), (2.5 / 2.5,) * 3, (64, 64, 56), None),
        ((64, 64, 20), (1, 0.1, 2.4), (1.0,) * 3, (64, 16, 48), None),
    ],
    ids=["axial", "coronal", "many", "just not", "no two axes alike"],
)
def test_slices_that_lie_far_apart_are_read_by_themselves(size, spacing, grid, expected, axis):
    found = volumes(size, tuple(map(float, spacing)), task="classification")
    assert found.coarse == axis
    told = [note.text for note in found.notes if "times as far apart" in note.text]
    reading = recipe(found).network.reading
    if axis is None:
        assert reading["volume"] == "inflate" and not told
        return
    assert found.spacing == pytest.approx(grid) and found.image_size == expected
    assert reading == {"volume": "slices", "slice_axes": [axis], "slice_step": 1} and len(told) == 1


@pytest.mark.parametrize(("apart", "axis"), [(2.51, 2), (2.5, None)])
def test_volumes_to_segment_are_read_so_too_where_axial_slices_lie_far_apart(apart, axis):
    found = volumes((64, 64, 20), (1.0, 1.0, apart))
    assert found.coarse == axis
    assert found.spacing == (1.0, 1.0, apart), "as without"
    network = recipe(found).network
    assert network.reading == {"volume": "inflate" if axis is None else "slices"}
    assert network.build["_target_"] == "dvpt_monai.bundle.volume_unetr" and network.build["volume"] == "@volume"
    assert len([note for note in found.notes if "times as far apart" in note.text]) == (axis is not None)
    turned = next(step["rotate_range"] for step in recipe(found).images.augment if step["_target_"] == "RandAffined")
    assert turned == ([0.2] * 3 if axis is None else [0.0, 0.0, 0.2])


def test_nothing_else_is_read_by_slices():
    far = ((64, 64, 20), (1.0, 1.0, 5.0))
    assert volumes((64, 20, 64), (1.0, 5.0, 1.0)).coarse is None, "UNETR has no slices but across the last axis"
    for architecture in (architecture_of("random"), replace(VIT, dims=3)):
        found = volumes(*far, architecture=architecture)
        assert found.coarse is None and recipe(found).network.reading == {}
    for architecture in (architecture_of("random"), replace(VIT, dims=3)):
        found = volumes(*far, task="classification", architecture=architecture)
        assert found.coarse is None and recipe(found).network.reading == {}


def test_windows():
    assert photographs((40, 50)).window == (0, 255)
    assert volumes((40, 40, 40)).window is None
    assert volumes((40, 40, 40), hounsfield=True).window == (-60, 170)


@pytest.mark.slow
def test_large_data_train_shorter_and_are_not_kept_in_memory():
    few, many = photographs((40, 50), count=40), photographs((40, 50), count=40_000)
    assert few.epochs == 40 and few.cache_rate == 1.0
    assert many.epochs == 4 and many.cache_rate < 0.5


def test_options_win():
    found = volumes((120, 120, 60), spacing=(1.0, 1.0, 1.0), image_size=32, epochs=3, batch_size=5, names=["tumour"])
    assert (found.image_size, found.epochs, found.batch_size) == ((32, 32, 32), 3, 5)
    assert found.classes == ("background", "tumour")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": 100}, "multiples of the patch 14"),
        ({"image_size": [56, 70]}, "padded to a square"),
        ({"spacing": 1.0}, "photographs have none"),
        ({"names": ["one"]}, "the classes of the data are c0, c1; write these"),
    ],
)
def test_options_that_do_not_fit(options, words):
    with pytest.raises(DataError, match=words):
        photographs((100, 100), **options)


@pytest.mark.parametrize("spacing", [[1.0, 1.0], [1.0, 0.0, 1.0], -1.0])
def test_a_spacing_that_is_none(spacing):
    found = volumes((40, 40, 40)).survey
    assert found.listing.root == Path("/data")
    with pytest.raises(DataError, match="one number of mm, or three"):
        propose(found, VIT, "mine_segmentation", Options(spacing=spacing))


@pytest.mark.parametrize(
    ("name", "better"), [("Moles", "moles"), ("my-moles", "my_moles"), ("3d_moles", "data_3d_moles")]
)
def test_a_name_that_no_tool_takes(name, better):
    with pytest.raises(BundleError, match=f"take {better}$"):
        propose(photographs((40, 50)).survey, VIT, name, Options())


def test_a_name_without_its_task_is_told():
    found = propose(photographs((40, 50)).survey, VIT, "moles", Options())
    assert any("moles_classification" in note.text for note in found.notes)
    assert not any("MONAI Label" in note.text for note in photographs((40, 50)).notes)


def test_a_backbone_of_volumes_for_photographs():
    with pytest.raises(DataError, match="trained on volumes"):
        propose(photographs((40, 50)).survey, replace(VIT, dims=3), "mine", Options())


def test_the_architecture_is_read(tiny_backbone):
    found = architecture_of(tiny_backbone)
    assert (found.weights, found.patch, found.dims, found.channels) == (tiny_backbone, 14, 2, 3)
    assert found.arguments == {
        "hidden_size": 24,
        "mlp_dim": 48,
        "num_layers": 4,
        "num_heads": 2,
        "num_registers": 4,
        "eps": 1e-5,
    }


def test_rare_classes_weigh_more(data):
    data.class_folders(classes=["common"], each=30)
    data.class_folders(classes=["rare"], each=8)
    assert propose(survey(list_cases(data.root)), VIT, "mine", Options()).weigh == 0.5
    data.class_folders(classes=["rare"], each=20)
    assert propose(survey(list_cases(data.root)), VIT, "mine", Options()).weigh == 0.0


# --- parts


def listed(counts, **values):
    cases = [
        Case(Path(f"/data/{name}/{i}.png"), name, **values) for name, count in counts.items() for i in range(count)
    ]
    return Listing("", Path("/data"), tuple(cases))


def grouped(listing, size):
    cases = [replace(case, group=f"p{i // size}") for i, case in enumerate(listing.cases)]
    return replace(listing, cases=tuple(cases))


def numbers(listing):
    return {name: number for number, name in enumerate(sorted({case.label for case in listing.cases}))}


def test_a_fifth_tests_with_the_share_of_each_class():
    listing = listed({"a": 50, "b": 10})
    parts = place(listing, numbers(listing))
    assert parts.count("test") == 12 and parts.count("train") == 48
    assert sum(case.part == "test" and case.label == "b" for case in parts.cases) == 2
    assert place(listing, numbers(listing)).cases == parts.cases
    assert place(listing, numbers(listing), seed=1).cases != parts.cases


def test_few_cases_leave_two_to_test():
    listing = listed({"a": 4, "b": 4})
    assert place(listing, numbers(listing)).count("test") == 2


def test_the_test_cases_stay_when_cases_are_added():
    """Between two versions of a data set no test image goes into the training, nor back."""
    for count in (4, 8, 20, 60):
        before, listing = listed({"a": count, "b": count}), listed({"a": count + 7, "b": count})
        parts = place(before, numbers(before))
        seed = next(int(note.option.split()[1]) for note in parts.notes if note.option.startswith("--seed"))
        sibling = Case(Path("/data/deep/er/0.png"), "a")
        grown = place(replace(listing, cases=(*listing.cases, sibling)), numbers(before), seed)
        assert {case for case in grown.cases if case in parts.cases} == set(parts.cases)


def test_a_class_without_a_test_case_is_warned_of_with_a_seed_that_has_one():
    listing = listed({"a": 40, "b": 3})
    seeds = [place(listing, numbers(listing), seed) for seed in range(6)]
    warned = [[note.option for note in parts.notes if "no test case" in note.text] for parts in seeds]
    for parts, remedies in zip(seeds, warned, strict=True):
        assert bool(remedies) == ("b" not in {case.label for case in parts.cases if case.part == "test"})
        for remedy in remedies:
            better = place(listing, numbers(listing), int(remedy.split()[1]))
            assert {case.label for case in better.cases if case.part == "test"} == {"a", "b"}
    assert any(warned) and not all(warned)


def test_no_group_is_divided():
    listing = grouped(listed({"a": 40, "b": 40}), 4)
    parts = place(listing, numbers(listing))
    found = {}
    for case in parts.cases:
        found.setdefault(case.group, set()).add(case.part)
    assert all(len(each) == 1 for each in found.values()) and parts.count("test") == 16


def test_given_parts_are_kept():
    train, test = listed({"a": 8, "b": 8}, part="train"), listed({"a": 2, "b": 2}, part="test")
    parts = place(replace(train, cases=train.cases + test.cases), numbers(train))
    assert parts.cases == train.cases + test.cases and parts.folds == 5
    validation = listed({"a": 2, "b": 2}, part="validation")
    parts = place(replace(train, cases=train.cases + validation.cases + test.cases), numbers(train))
    assert parts.folds == 0 and parts.count("validation") == 4 and parts.ranked


@pytest.mark.parametrize(("counts", "ranked"), [({"a": 40, "b": 12}, True), ({"a": 80, "b": 3}, False)])
def test_whether_every_fold_has_two_classes(counts, ranked):
    """Where a fold may hold one class alone, its AUC is none, and cannot choose the best epoch."""
    listing = listed(counts)
    parts = place(listing, numbers(listing))
    rows = [
        {"image": str(case.image), "label": case.label == "b", "name": listing.below(case.image)}
        for case in parts.cases
        if case.part == "train"
    ]
    folds = [split(rows, "validation", fold, parts.folds, parts.fold_seed) for fold in range(parts.folds)]
    warned = [note.text for note in parts.notes if note.warning and "absent from the validation" in note.text]
    assert [text.startswith("class b is absent from the validation of") for text in warned] == [True] * (not ranked)
    assert all(len({row["label"] for row in fold}) == 2 for fold in folds) == parts.ranked == ranked


def folds_of(listing, seed=None):
    """The labels in each validation."""
    parts = place(listing, numbers(listing))
    rows = [{"image": str(case.image), "label": case.label, "name": listing.below(case.image), "group": case.group}
            for case in parts.cases if case.part == "train"]  # fmt: skip
    seed = parts.fold_seed if seed is None else seed
    return [[case["label"] for case in fold] for fold in fold_cases(rows, parts.folds, seed)]


SMALL = [{"a": 6, "b": 6}, {"a": 12, "b": 8}, {"mild": 14, "none": 15, "severe": 14}]


@pytest.mark.parametrize("counts", SMALL)
def test_folds_of_few_cases_are_even_and_have_every_class(counts):
    folds = folds_of(listed(counts))
    assert all({*fold} == {*counts} for fold in folds) and len(folds) > 1
    assert max(map(len, folds)) - min(map(len, folds)) <= 2


def test_the_first_seed_leaves_folds_of_few_cases_lopsided():
    """Or the test above would say nothing."""
    folds = [folds_of(listed(counts), seed=0) for counts in SMALL]
    assert any({*fold} != {*counts} for counts, each in zip(SMALL, folds, strict=True) for fold in each)


def test_patients_of_few_cases_stay_together_in_folds():
    listing = grouped(listed({"a": 16, "b": 16}), 2)
    folds = folds_of(listing)
    assert all({*fold} == {"a", "b"} for fold in folds) and {len(fold) % 2 for fold in folds} == {0}


def test_folds_of_many_cases_are_drawn_by_the_first_seed():
    listing = listed({"a": 500, "b": 500})
    assert place(listing, numbers(listing)).fold_seed == 0


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (listed({"a": 20, "b": 1}), "the only case of class 'b'"),
        (listed({"a": 2}), "too few"),
        (grouped(listed({"a": 10, "b": 10}), 10), "too few"),
    ],
)
def test_too_few_cases(listing, words):
    with pytest.raises(DataError, match=words):
        place(listing, numbers(listing))


def test_a_class_that_is_never_trained():
    train, test = listed({"a": 8}, part="train"), listed({"a": 2, "b": 2}, part="test")
    listing = replace(train, cases=train.cases + test.cases)
    with pytest.raises(DataError, match="class 'b' has no case to train on"):
        place(listing, numbers(listing))


def test_a_patient_in_two_parts():
    train, test = listed({"a": 8}, part="train", group="p1"), listed({"b": 2}, part="test", group="p1")
    listing = replace(train, cases=train.cases + test.cases)
    with pytest.raises(DataError, match="group 'p1' is in test and train"):
        place(listing, numbers(listing))


def test_classes_are_in_the_order_of_their_numbers(data):
    data.class_folders(classes=["10", "9", "2"], each=4)
    found = propose(survey(list_cases(data.root)), VIT, "mine", Options())
    assert found.numbers == {"2": 0, "9": 1, "10": 2} and found.classes == ("2", "9", "10")


def test_numbers_in_front_of_names_order_them(data):
    data.class_folders(classes=["10_severe", "2_mild", "0_none"], each=4)
    found = propose(survey(list_cases(data.root)), VIT, "mine", Options(ordered=True))
    assert found.classes == ("0_none", "2_mild", "10_severe")
    assert not any(note.warning for note in found.notes)


def test_grades_by_their_names_are_told(data):
    data.class_folders(classes=["severe", "mild", "none"], each=4)
    found = propose(survey(list_cases(data.root)), VIT, "mine", Options(ordered=True))
    assert any(note.warning and "mild < none < severe" in note.text for note in found.notes)
    plain = propose(survey(list_cases(data.root)), VIT, "mine", Options())
    assert any(note.option.startswith("--ordered") for note in plain.notes)


GRADES = ["none", "mild", "moderate", "severe", "proliferative"]


def table_of(data, labels):
    """A table whose case number i has label i % len(labels), in 4 rounds and one more case of the first label."""
    rows = ["image,label"]
    for i in range(4 * len(labels) + 1):
        data.photo(f"images/{i}.png")
        rows.append(f"images/{i}.png,{labels[i % len(labels)]}")
    data.text("labels.csv", "\n".join(rows) + "\n")
    return survey(list_cases(data.root))


def rows_written(proposal):
    """Class and number in cases.csv by the number of the image."""
    rows = csv.DictReader(io.StringIO(_rows(proposal)))
    return {int(Path(row["image"]).stem): (row["class"], int(row["label"])) for row in rows}


@pytest.mark.parametrize("names", [GRADES, GRADES[::-1], None], ids=["given", "reversed", "alphabet"])
def test_names_of_texts_are_their_order(data, names):
    """Every case keeps what the table says it is, whatever the order."""
    found = propose(table_of(data, GRADES), VIT, "mine", Options(names=names, ordered=True))
    order = names or sorted(GRADES)
    assert found.classes == tuple(order) and found.numbers == {name: place for place, name in enumerate(order)}
    assert rows_written(found) == {i: (GRADES[i % 5], order.index(GRADES[i % 5])) for i in range(21)}
    assert "none 5" in account(found, Path("out")) and "moderate 4" in account(found, Path("out"))
    warned = [note.text for note in found.notes if note.warning and not note.option.startswith(("--seed", "add"))]
    assert bool(warned) == (names is None)


@pytest.mark.parametrize("names", [["no", *GRADES[1:]], GRADES[:4], GRADES[:4] * 2, ["none"] * 5])
def test_other_names_for_texts_are_refused(data, names):
    found = table_of(data, GRADES)
    with pytest.raises(DataError, match="are mild, moderate, none, proliferative, severe; write these in the order"):
        propose(found, VIT, "mine", Options(names=names))


def test_numbers_are_named_by_position(data):
    found = propose(table_of(data, ["1", "0", "10"]), VIT, "mine", Options(names=["none", "mild", "severe"]))
    assert rows_written(found) == {i: [("mild", 1), ("none", 0), ("severe", 2)][i % 3] for i in range(13)}
    assert "0 -> none, 1 -> mild, 10 -> severe" in account(found, Path("out"))


@pytest.mark.parametrize("names", [["none", "mild"], ["none", "mild", "mild"]])
def test_a_name_for_each_number(data, names):
    with pytest.raises(DataError, match=f"{len(names)} names for 0, 1, 10; give one for each"):
        propose(table_of(data, ["1", "0", "10"]), VIT, "mine", Options(names=names))


def test_classes_by_the_alphabet_are_told(data):
    found = propose(table_of(data, GRADES), VIT, "mine", Options())
    assert any("by the alphabet: mild, moderate" in note.text and "--names" in note.option for note in found.notes)
    found = propose(table_of(data, ["0", "1", "2"]), VIT, "mine", Options())
    assert not any("alphabet" in note.text for note in found.notes)


def train_of(proposal):
    return json.loads(files(recipe(proposal))["configs/train.json"])


@pytest.mark.parametrize(
    ("counts", "ordered", "metric"),
    [((20, 20), False, "auc"), ((8, 8), True, "quadratic_kappa"), ((20, 3), False, "accuracy")],
)
def test_the_metric_that_chooses_is_told_and_written(data, counts, ordered, metric):
    for name, each in zip("ab", counts, strict=True):
        data.class_folders(classes=[name], each=each)
    found = propose(survey(list_cases(data.root)), VIT, "mine", Options(ordered=ordered))
    assert list(train_of(found)["validate"]["key_metric"]) == [metric]
    assert f"the highest {metric} in the validation" in " ".join(account(found, Path("out")).split())


def test_the_metric_of_masks_is_told_and_written(data):
    found = propose(survey(list_cases(data.pairs(6))), VIT, "mine", Options())
    assert list(train_of(found)["validate"]["key_metric"]) == ["mean_dice"]
    assert any("the highest mean_dice" in note.text for note in found.notes)


def test_a_test_of_few_cases_is_told(data):
    """Under ten: of 48 cases nine are set aside, of 50 ten."""
    said = []
    for each in (24, 25):
        found = propose(survey(list_cases(data.class_folders(each=each))), VIT, "mine", Options())
        said.append(account(found, Path("out")))
    assert "9 to test; on so few its score means little" in said[0]
    assert "10 to test\n" in said[1] and "means little" not in said[1]


def test_a_resized_patch_is_told():
    told = account(volumes((64, 64, 64), task="classification"), Path("out"))
    assert "patch 14, resized to 8;" in " ".join(told.split()).replace(", cut after block 6", "")
    assert "resized" not in account(photographs((40, 50)), Path("out"))
    fresh = account(volumes((64, 64, 64), task="classification", architecture=architecture_of("random")), Path("out"))
    assert "patch 8;" in " ".join(fresh.split()) and "resized" not in fresh


@pytest.mark.parametrize("name", ["grade#2", "@home", "$5", "%x"])
def test_words_that_a_config_reads_as_something_else(data, name):
    data.class_folders(classes=["plain", name], each=4)
    with pytest.raises(DataError, match="configs of MONAI"):
        propose(survey(list_cases(data.root)), VIT, "mine", Options())

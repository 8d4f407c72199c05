"""Every layout is recognised, and what is wrong in one is named with its file and the remedy."""

from pathlib import Path

import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.layouts import Columns, list_cases
from dvpt_monai.layouts.patients import grouped


def told(listing):
    """Names of images with labels (names of masks), and parts."""
    return {
        case.image.relative_to(listing.root).as_posix(): (
            case.label.name if isinstance(case.label, Path) else case.label,
            case.part,
        )
        for case in listing.cases
    }


def test_a_folder_per_class(data):
    listing = list_cases(data.class_folders(each=2))
    assert listing.task == "classification"
    assert told(listing) == {f"{name}/case{i}.png": (name, "") for name in ("benign", "malign") for i in range(2)}


def test_a_folder_per_class_in_parts(data):
    for part in ("train", "Val", "testing"):
        data.class_folders(each=1, part=part)
    parts = {name.split("/")[0]: part for name, (_, part) in told(list_cases(data.root)).items()}
    assert parts == {"train": "train", "Val": "validation", "testing": "test"}


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image,label", "images/{i}.png,{c}"),
        ("label,image", "{c},images/{i}.png"),
        ("ID;diagnosis", "{i};{c}"),
        ("file name\tkind", "{i}.png\t{c}"),
        ("image_id,age,dx", "{i},{i}{i},{c}"),
    ],
    ids=["paths", "swapped", "stems and semicolons", "by content", "beside other columns"],
)
def test_a_table(data, head, row):
    listing = list_cases(data.table(head=head, row=row))
    assert told(listing) == {f"images/{i}.png": (("benign", "malign")[i % 2], "") for i in range(12)}


def test_a_table_of_parts_and_patients(data):
    root = data.table(head="image,label,split,patient_id", row="{i}.png,{c},train,p{p}")
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace("train,p5", "Test,p5"))
    listing = list_cases(root / "labels.csv")
    assert [case.part for case in listing.cases] == ["train"] * 10 + ["test"] * 2
    assert [case.group for case in listing.cases] == [f"p{i // 2}" for i in range(12)]
    assert any("patient_id" in note.text and note.option == "--group_column" for note in listing.notes)


def test_columns_that_are_named_win(data):
    root = data.table(head="image,label,other,who", row="{i}.png,{c},{c}s,w{p}")
    listing = list_cases(root, columns=Columns(label="other", group="who"))
    assert {case.label for case in listing.cases} == {"benigns", "maligns"}
    assert {case.group for case in listing.cases} == {f"w{i}" for i in range(6)}


def test_whole_numbers_of_a_spreadsheet(data):
    root = data.table(row="{i}.png,{c}")
    text = (root / "labels.csv").read_text().replace("benign", "0.0").replace("malign", "1.0")
    (root / "labels.csv").write_text(text)
    assert {case.label for case in list_cases(root).cases} == {"0", "1"}


def test_classes_that_are_names_of_images_are_no_masks(data):
    root = data.table()
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace("benign", "0").replace("malign", "1"))
    listing = list_cases(root)
    assert listing.task == "classification" and {case.label for case in listing.cases} == {"0", "1"}


def test_a_table_of_masks(data):
    data.pairs(4)
    data.text("t.csv", "image,mask\n" + "".join(f"images/{i}.jpg,masks/{i}.png\n" for i in range(4)))
    listing = list_cases(data.root)
    assert listing.task == "segmentation"
    assert told(listing) == {f"images/{i}.jpg": (f"{i}.png", "") for i in range(4)}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{i}.jpg", "masks/{i}.png"),
        ("images/{i}.jpg", "labels/{i}_segmentation.png"),
        ("images/a/{i}.jpg", "masks/a/{i}.png"),
        ("x{i}.jpg", "x{i}_mask.png"),
        ("a/x{i}.jpg", "a/x{i}_seg.png"),
    ],
)
def test_pairs_of_photographs(data, images, masks):
    listing = list_cases(data.pairs(3, images, masks))
    assert listing.task == "segmentation"
    assert told(listing) == {images.format(i=i): (Path(masks.format(i=i)).name, "") for i in range(3)}


def test_pairs_in_parts(data):
    data.pairs(3, "train/images/{i}.jpg", "train/masks/{i}.png")
    data.pairs(2, "test/images/t{i}.jpg", "test/masks/t{i}.png")
    assert [part for _, part in told(list_cases(data.root)).values()] == ["test"] * 2 + ["train"] * 3


def test_pairs_in_parts_inside(data):
    data.pairs(3, "images/train/{i}.jpg", "masks/train/{i}.png")
    data.pairs(2, "images/val/t{i}.jpg", "masks/val/t{i}.png")
    assert [part for _, part in told(list_cases(data.root)).values()] == ["train"] * 3 + ["validation"] * 2


def test_nnu_net(data):
    """Its images carry the number of the channel, its dataset.json lists no cases but names the labels."""
    data.volume_pairs(3, "imagesTr/case_{i}_0000.nii.gz", "labelsTr/case_{i}.nii.gz")
    data.text("dataset.json", '{"labels": {"background": 0, "liver": 1}, "numTraining": 3}')
    listing = list_cases(data.root)
    assert told(listing) == {f"imagesTr/case_{i}_0000.nii.gz": (f"case_{i}.nii.gz", "") for i in range(3)}
    assert listing.names == {0: "background", 1: "liver"}


def test_decathlon(data):
    listing = list_cases(data.decathlon(3, test=["./imagesTs/9.nii.gz"]))
    assert told(listing) == {f"imagesTr/{i}.nii.gz": (f"{i}.nii.gz", "") for i in range(3)}
    assert listing.names == {0: "background", 1: "liver", 2: "big tumour"}
    assert any("no labels" in note.text for note in listing.notes)


def test_a_table_goes_before_the_folders(data):
    """A file that lists the cases says more than the folders that they lie in."""
    data.class_folders(each=2)
    data.text("t.csv", "image,label\nbenign/case0.png,x\nmalign/case1.png,y\n")
    assert {case.label for case in list_cases(data.root).cases} == {"x", "y"}


def test_the_task_chooses_among_layouts(data):
    data.pairs(4)
    data.text("t.csv", "image,label\n" + "".join(f"images/{i}.jpg,{i % 2}\n" for i in range(4)))
    assert list_cases(data.root).task == "classification"
    assert list_cases(data.root, task="segmentation").task == "segmentation"


# --- patients


def test_patients_by_a_pattern(data):
    for i in range(6):
        data.photo(f"{'ab'[i % 2]}/patient{i // 2:02}_{i}.png")
    listing = list_cases(data.root)
    assert {case.group for case in grouped(listing, r"patient\d+").cases} == {"patient00", "patient01", "patient02"}
    assert {case.group for case in grouped(listing, r"patient(\d+)").cases} == {"00", "01", "02"}
    with pytest.raises(DataError, match="finds no patient"):
        grouped(listing, "scan")
    with pytest.raises(DataError, match="no regular expression"):
        grouped(listing, "(")


def test_names_that_look_like_patients_keep_them_together(data):
    for i in range(8):
        data.photo(f"{'ab'[i % 2]}/patient{i // 2:02}_{i}.png")
    listing = grouped(list_cases(data.root))
    assert {case.group for case in listing.cases} == {f"patient{i:02}" for i in range(4)}
    (note,) = listing.notes
    assert "4 patients by their names" in note.text and "--group-pattern '.+'" in note.option
    assert len({case.group for case in grouped(list_cases(data.root), ".+").cases}) == 8


def test_plain_names_look_like_no_patients(data):
    data.class_folders()
    assert grouped(list_cases(data.root)).notes == ()


# --- what is wrong


def no_data(data):
    return data.root / "nowhere"


def no_images(data):
    data.text("a/notes.txt", "")
    return data.root


def arrays(data):
    data.text("scan/1.npy", "")
    return data.root


def one_class(data):
    return data.class_folders(classes=["benign"])


def loose_image(data):
    data.photo("loose.png")
    return data.class_folders()


def strange_part(data):
    data.class_folders(part="train")
    data.photo("extra/e.png")
    return data.root


def no_train(data):
    return data.class_folders(part="test")


def two_tables(data):
    root = data.table()
    (root / "more.csv").write_text((root / "labels.csv").read_text())
    return root


def table_with(old, new):
    def make(data):
        root = data.table()
        text = (root / "labels.csv").read_text()
        assert old in text
        (root / "labels.csv").write_text(text.replace(old, new, 1))
        return root

    return make


def unclear_labels(data):
    return data.table(head="image,colour,shape", row="{i}.png,{c},{c}")


def same_name_twice(data):
    data.photo("other/3.png")
    return data.table(row="{i}.png,{c}")


def two_masks(data):
    data.pairs(3)
    data.mask("masks/1_mask.png")
    return data.root


def missing_mask(data):
    data.pairs(3)
    (data.root / "masks/1.png").unlink()
    return data.root


def missing_image(data):
    data.pairs(3)
    (data.root / "images/1.jpg").unlink()
    return data.root


def two_mask_folders(data):
    data.pairs(3)
    data.mask("labels/1.png")
    return data.root


def two_images(data):
    data.pairs(3)
    data.photo("images/1.png")
    return data.root


def channels_apart(data):
    data.volume_pairs(2, "imagesTr/c{i}_0000.nii.gz", "labelsTr/c{i}.nii.gz")
    data.volume("imagesTr/c0_0001.nii.gz")
    return data.root


def broken_json(data):
    data.text("dataset.json", "{")
    return data.root


def missing_volume(data):
    data.decathlon(3)
    (data.root / "imagesTr/1.nii.gz").unlink()
    return data.root


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_data, "no such file or folder"),
        (no_images, "no images here"),
        (arrays, "write the arrays as PNG or NIfTI"),
        (one_class, "'benign'"),
        (loose_image, "loose.png: lies beside"),
        (strange_part, "extra: lies beside train"),
        (no_train, "no folder train"),
        (two_tables, "several tables"),
        (table_with("images/3.png", "images/99.png"), r"line 5: no image 'images/99.png'"),
        (table_with("images/3.png", ""), r"line 5: column 'image' is empty"),
        (table_with("images/3.png,malign", "images/3.png,"), r"line 5: column 'label' is empty"),
        (table_with("images/3.png", "images/2.png"), r"line 5: images/2.png is on line 4 already"),
        (unclear_labels, "--label_column"),
        (same_name_twice, "could be"),
        (two_masks, "both masks of 1"),
        (missing_mask, r"1.jpg: no mask .* \(1 of 3"),
        (missing_image, r"1.png: a mask without an image"),
        (two_mask_folders, "both masks and labels"),
        (two_images, "1.jpg and .*1.png have one name"),
        (channels_apart, "c1_0000.nii.gz: its case has no channel 0001"),
        (broken_json, "dataset.json: not JSON"),
        (missing_volume, "1 of 6 files do not exist"),
    ],
)
def test_what_is_wrong_is_named(data, make, words):
    with pytest.raises(DataError, match=words):
        list_cases(make(data))


@pytest.mark.parametrize("column", ["image", "label", "split", "group"])
def test_a_column_that_is_not_there(data, column):
    with pytest.raises(DataError, match=f"no column 'nobody' .* --{column}_column"):
        list_cases(data.table(), columns=Columns(**{column: "nobody"}))


def test_a_part_of_another_name(data):
    with pytest.raises(DataError, match="'train1' in column 'split' is no part"):
        list_cases(data.table(head="image,label,split", row="{i}.png,{c},train1"), columns=Columns(split="split"))


def test_a_layout_of_the_other_task(data):
    with pytest.raises(DataError, match="a folder per class, for classification and not for segmentation"):
        list_cases(data.class_folders(), task="segmentation")


def test_a_folder_of_a_class_without_images_is_told(data):
    root = data.class_folders(each=2)
    assert list_cases(root).notes == ()
    (root / "unsure").mkdir()
    [note] = list_cases(root).notes
    assert note.warning and note.text == "unsure holds no images: unsure is no class"


def test_a_class_without_images_in_one_part_is_told(data):
    for part in ("train", "test"):
        data.class_folders(each=2, part=part)
    for image in (data.root / "test" / "benign").iterdir():
        image.unlink()
    [note] = list_cases(data.root).notes
    assert note.warning and note.text == "test/benign holds no images"


def test_the_command_knows_every_reading():
    """It spells them out, so that its help does not wait for what reads images."""
    from importlib import import_module

    from dvpt_monai.layouts import READINGS

    assert import_module("dvpt_monai.commands.init").READINGS == READINGS

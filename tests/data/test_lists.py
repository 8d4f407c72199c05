import json
from collections import Counter

import pytest

from dvpt_monai.data import read_csv, read_decathlon, split
from dvpt_monai.errors import DataError

PAIR = {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}


@pytest.fixture
def table(tmp_path):
    """A CSV of four images, and a function that writes other text into it."""
    for name in "abcd":
        (tmp_path / f"{name}.jpg").touch()
    path = tmp_path / "labels.csv"

    def write(text="image,split,dr_grade\na.jpg,train,0\nb.jpg,train,4\nc.jpg,train,2\nd.jpg,test,1\n"):
        path.write_text(text)
        return path

    write()
    return write


class TestReadCsv:
    def test_reads_the_rows_of_a_split_in_order(self, table):
        path = table()
        cases = read_csv(path, num_classes=5, split="train")
        assert cases == [
            {"image": str(path.parent / name), "label": grade, "name": name}
            for name, grade in (("a.jpg", 0), ("b.jpg", 4), ("c.jpg", 2))
        ]
        assert len(read_csv(path)) == 4

    def test_takes_other_columns_another_root_a_group_and_a_byte_order_mark(self, table, tmp_path):
        path = tmp_path / "elsewhere" / "own.csv"
        path.parent.mkdir()
        path.write_text("\ufefffile;,grade,patient\na.jpg,1,p7\n".replace(";", ""), encoding="utf-8")
        cases = read_csv(path, image="file", label="grade", root=tmp_path, group="patient")
        assert cases == [{"image": str(tmp_path / "a.jpg"), "label": 1, "name": "a.jpg", "group": "p7"}]

    @pytest.mark.parametrize(
        ("text", "arguments", "message"),
        [
            ("image,grade\na.jpg,0\n", {}, r"labels\.csv: no column 'dr_grade' among \['image', 'grade'\].*label="),
            ("image;dr_grade\na.jpg;0\n", {}, "no column 'image'"),
            ("image,dr_grade\na.jpg,0\n", {"split": "train"}, "no column 'split'.*split_column="),
            ("image,dr_grade\na.jpg,0\n", {"group": "patient"}, "no column 'patient'.*group="),
            ("image,dr_grade,split\na.jpg,0,test\n", {"split": "train"}, r"split='train'; the column holds \['test'\]"),
            ("image,dr_grade\n", {}, "no cases"),
            ("", {}, "no column"),
            ("image,dr_grade\na.jpg,0\n,1\n", {}, "line 3: column 'image' is empty"),
            ("image,dr_grade\na.jpg,0\nb.jpg,mild\n", {}, "line 3, dr_grade: 'mild' is not an integer"),
            ("image,dr_grade\na.jpg\n", {}, "line 2, dr_grade: None is not an integer"),
            ("image,dr_grade\na.jpg,5\n", {"num_classes": 5}, r"line 2, dr_grade: 5 is out of range 0\.\.4"),
            ("image,dr_grade\na.jpg,-1\n", {}, "-1 is out of range"),
            ("image,dr_grade\na.jpg,0\nb.jpg,1\na.jpg,1\n", {}, "line 4: a.jpg is on line 2 already"),
            ("image,dr_grade\na.jpg,0\nx.jpg,0\ny.jpg,0\n", {}, r"2 of 3 files do not exist, the first is .*x\.jpg"),
        ],
    )
    def test_refuses(self, table, text, arguments, message):
        with pytest.raises(DataError, match=message):
            read_csv(table(text), **arguments)

    @pytest.mark.parametrize("word", ["Train", "train ", "TRAIN"])
    def test_a_split_in_another_spelling_is_the_split(self, table, word):
        path = table(f"image,split,dr_grade\na.jpg,train,0\nb.jpg,{word},4\nc.jpg,trains,2\n")
        assert [case["label"] for case in read_csv(path, split="train")] == [0, 4]
        assert len(read_csv(path, split=word)) == 2

    @pytest.mark.parametrize("empty", ["", " "])
    def test_cases_without_a_group_stand_alone(self, table, empty):
        path = table(f"image,patient,dr_grade\na.jpg,{empty},0\nb.jpg,p,4\nc.jpg,{empty},2\nd.jpg,p,2\n")
        cases = read_csv(path, group="patient")
        assert [case["group"] for case in cases] == ["a.jpg", "p", "c.jpg", "p"]

    def test_names_are_relative_to_the_root(self, table, tmp_path):
        path = table(f"image,dr_grade\n./a.jpg,0\n{tmp_path}/b.jpg,1\n")
        assert [case["name"] for case in read_csv(path)] == ["a.jpg", "b.jpg"]
        outside = tmp_path / "other"
        outside.mkdir()
        cases = read_csv(table(f"image,dr_grade\n{tmp_path}/b.jpg,1\n{tmp_path}/a.jpg,1\n"), root=outside)
        with pytest.raises(DataError, match=r"b\.jpg: its part would depend on where the data lie"):
            split(cases, "training")

    @pytest.mark.parametrize(
        ("encoding", "words"), [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("latin-1", "byte 0xe9, line 3")]
    )
    def test_names_another_encoding(self, table, encoding, words):
        path = table()
        path.write_bytes("image,dr_grade\na.jpg,0\ncaf\u00e9.jpg,1\n".encode(encoding))
        with pytest.raises(DataError, match=rf"labels\.csv: not a table in UTF-8 text \(.*{words}.*CSV UTF-8"):
            read_csv(path)

    def test_refuses_what_is_no_table(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.csv: no such file"):
            read_csv(tmp_path / "gone.csv")
        (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04\xff\xfe\x00")
        with pytest.raises(DataError, match=r"book\.xlsx: not a table"):
            read_csv(tmp_path / "book.xlsx")

    def test_reads_the_real_grades(self, fundus_dir):
        train = read_csv(fundus_dir / "labels.csv", num_classes=5, split="train")
        test = read_csv(fundus_dir / "labels.csv", num_classes=5, split="test")
        assert Counter(case["label"] for case in train) == {0: 134, 1: 20, 2: 136, 3: 74, 4: 49}
        assert len(test) == 103
        assert not {case["image"] for case in train} & {case["image"] for case in test}
        for fold in range(5):  # 20 of grade 1, so 4 in each fold on average
            assert 1 <= Counter(case["label"] for case in split(train, "validation", fold=fold))[1] <= 9


class TestReadDecathlon:
    @pytest.fixture
    def write(self, tmp_path):
        for name in ("a", "b"):
            for folder in ("imagesTr", "labelsTr"):
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / f"{name}.nii.gz").touch()

        def write(table):
            path = tmp_path / "dataset.json"
            path.write_text(table if isinstance(table, str) else json.dumps(table))
            return path

        return write

    def test_reads_pairs_and_a_test_section_without_labels(self, write, tmp_path):
        path = write({"labels": {"0": "", "1": ""}, "training": [PAIR], "test": ["./imagesTr/b.nii.gz"]})
        pair = {
            "image": str(tmp_path / "imagesTr/a.nii.gz"),
            "label": str(tmp_path / "labelsTr/a.nii.gz"),
            "name": "imagesTr/a.nii.gz",
        }
        assert read_decathlon(path, num_classes=2) == [pair]
        assert read_decathlon(path, "test") == [
            {"image": str(tmp_path / "imagesTr/b.nii.gz"), "name": "imagesTr/b.nii.gz"}
        ]

    def test_leaves_hidden_files_out_and_says_so(self, write, tmp_path, caplog):
        hidden = {key: value.replace("/a", "/._a") for key, value in PAIR.items()}
        assert len(read_decathlon(write({"training": [hidden, PAIR]}))) == 1
        assert "1 hidden files are left out, the first is ./imagesTr/._a.nii.gz" in caplog.text

    @pytest.mark.parametrize(
        ("table", "arguments", "message"),
        [
            ("{", {}, "not JSON"),
            ("[]", {}, "no list 'training'"),
            ({"training": [PAIR]}, {"section": "validation"}, r"no list 'validation'; it has \['training'\]"),
            ({"training": []}, {}, "holds no cases"),
            ({"training": [{"label": "x"}]}, {}, r"training\[0\] names no image"),
            ({"training": [7]}, {}, r"training\[0\] names no image"),
            ({"training": [{"image": "./imagesTr/a.nii.gz"}]}, {}, "a.nii.gz, has no label"),
            ({"training": [PAIR, PAIR]}, {}, "listed twice"),
            ({"training": [{**PAIR, "label": "gone.nii.gz"}]}, {}, r"1 of 2 files.*gone\.nii\.gz"),
            (
                {"training": [PAIR], "labels": {"0": "", "1": ""}},
                {"num_classes": 3},
                "names 2 labels, not num_classes=3",
            ),
        ],
    )
    def test_refuses(self, write, table, arguments, message):
        with pytest.raises(DataError, match=message):
            read_decathlon(write(table), **arguments)

    def test_refuses_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match=r"dataset\.json: no such file"):
            read_decathlon(tmp_path / "dataset.json")

    def test_reads_the_real_volumes(self, hippocampus_dir):
        cases = read_decathlon(hippocampus_dir / "dataset.json", num_classes=3)
        assert len(cases) == 200


def test_decathlon_of_a_folder_elsewhere_with_groups(tmp_path):
    """A bundle has the list, and the images lie with the user."""
    for name in ("images/a.png", "images/b.png", "masks/a.png", "masks/b.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"")
    entries = [{"image": f"images/{x}.png", "label": f"masks/{x}.png", "group": "p1"} for x in "ab"]
    listed = tmp_path / "dataset.json"
    listed.write_text(json.dumps({"training": entries}))
    cases = read_decathlon(listed, root=tmp_path / "data")
    assert [case["image"] for case in cases] == [str(tmp_path / "data" / f"images/{x}.png") for x in "ab"]
    assert [case["group"] for case in cases] == ["p1", "p1"]
    with pytest.raises(DataError, match=r"4 of 4 files do not exist"):
        read_decathlon(listed)

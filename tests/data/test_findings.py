import json

import pytest

from dvpt_monai.data import positive_weights, read_findings
from dvpt_monai.errors import DataError
from dvpt_monai.transforms import ReadFindingsd

LABELS = ["pleural_effusion", "nodule", "Fibrosis"]


@pytest.fixture
def file(tmp_path):
    def write(content, name="chest.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"label": ["nodule", "fibrosis"], "by": "me"}, [0, 1, 1]),
        (["Pleural effusion", "nodule", "nodule"], [1, 1, 0]),
        ({"label": []}, [0, 0, 0]),
    ],
)
def test_names_in_a_file(file, content, found):
    case = {"image": "chest.png", "label": file(content)}
    assert read_findings(case["label"], LABELS) == found
    assert ReadFindingsd("label", LABELS)(case) == {"image": "chest.png", "label": found}


def test_other_labels_stay_as_they_are():
    for label in ([0, 1, 0], None, "mask.png"):
        assert read_findings(label, LABELS) is label


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", r'cannot be read as JSON .*write the names of what is there, {"label": \["pleural_effusion"\]}'),
        ({"label": "nodule"}, "'nodule' is no list of names"),
        ({"label": [0, 1, 0]}, r"\[0, 1, 0\] is no list of names"),
        ({"labels": ["nodule"]}, "None is no list of names"),
        (["nodul"], "'nodul' is no label; did you mean 'nodule'"),
        (["mass"], "'mass' is no label; the labels are pleural_effusion, nodule, Fibrosis"),
    ],
)
def test_a_file_without_findings_is_named(file, content, words):
    with pytest.raises(DataError, match=r"chest\.json.*" + words):
        read_findings(file(content), LABELS)


def test_weights_count_findings_in_files(file):
    truth = [[0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 1]]
    names = [["nodule"], ["nodule", "fibrosis"], ["fibrosis"], ["fibrosis"]]
    files = [{"image": f"{i}.png", "label": file(each, f"{i}.json")} for i, each in enumerate(names)]
    plain = [{"image": f"{i}.png", "label": each} for i, each in enumerate(truth)]
    expected = pytest.approx([1, 1, 1 / 3])
    assert positive_weights(files, LABELS).tolist() == positive_weights(plain, LABELS).tolist() == expected

import numpy as np
import pytest

from dvpt_monai.data import balanced_sampler, class_weights, read_grade
from dvpt_monai.errors import DataError
from dvpt_monai.transforms import ReadGraded


@pytest.mark.parametrize(("content", "grade"), [("3", 3), ('{"label": 0, "by": "me"}', 0)])
def test_a_grade_in_a_file(tmp_path, content, grade):
    path = tmp_path / "eye.json"
    path.write_text(content)
    case = {"image": "eye.png", "label": str(path)}
    assert read_grade(str(path)) == ReadGraded("label", num_classes=5)(case)["label"] == grade
    assert case["label"] == str(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read as JSON"),
        ('"moderate"', "'moderate' is no grade"),
        ('{"label": "3"}', "'3' is no grade"),
        ('{"grade": 3}', "None is no grade"),
        ('{"label": true}', "True is no grade"),
        ('{"label": 2.5}', "2.5 is no grade"),
        ("5", "label 5 is no integer in 0..4"),
        ("-1", "label -1 is no integer in 0..4"),
    ],
)
def test_a_file_without_a_grade_is_named(tmp_path, content, words):
    path = tmp_path / "eye.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"eye\.json") as error:
        ReadGraded("label", num_classes=5)({"image": "eye.png", "label": str(path)})
    assert words in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(DataError, match=r"/gone\.json cannot be read"):
        read_grade("/gone.json")


@pytest.mark.parametrize("grade", [0, 4, np.int64(2)])
def test_grades_stay_as_they_are(grade):
    assert ReadGraded("label", num_classes=5)({"label": grade})["label"] is grade


@pytest.mark.parametrize("label", [5, -1, 2.0, "3", "mask.nii.gz", None])
def test_what_is_no_grade_is_refused_with_its_image(label):
    with pytest.raises(DataError, match=r"eye\.png: label .* is no integer in 0\.\.4"):
        ReadGraded("label", num_classes=5)({"image": "eye.png", "label": label})


def test_weights_count_grades_in_files(tmp_path):
    cases = []
    for number, grade in enumerate([0, 0, 0, 1]):
        path = tmp_path / f"{number}.json"
        path.write_text(str(grade))
        cases.append({"image": f"{number}.png", "label": str(path)})
    plain = [{**case, "label": grade} for case, grade in zip(cases, [0, 0, 0, 1], strict=True)]
    assert class_weights(cases, 2).tolist() == class_weights(plain, 2).tolist() == [0.5, 1.5]
    assert list(balanced_sampler(cases, 2)) == list(balanced_sampler(plain, 2))

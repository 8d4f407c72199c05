"""Copies of an image are bound, so that no split divides them."""

import logging
from pathlib import Path

from dvpt_monai.data import read_csv, split
from dvpt_monai.data.copies import bind_copies


def table(folder, contents, rows):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "t.csv").write_text("image,dr_grade,split,who\n" + "\n".join(rows))
    return folder / "t.csv"


def test_copies_share_a_group_and_a_part(tmp_path):
    contents = {f"{i:02}.png": bytes([i % 20]) * 9 for i in range(40)}
    path = table(tmp_path, contents, [f"{name},0,train," for name in contents])
    cases = read_csv(path)
    assert len({case["group"] for case in cases}) == 20
    for part in ("training", "validation"):
        inside = {Path(case["image"]).read_bytes() for case in split(cases, part)}
        other = {Path(case["image"]).read_bytes() for case in cases} - inside
        assert len(inside) + len(other) == 20
        assert sum(len(split(cases, each)) for each in ("training", "validation")) == 40


def test_copies_join_the_patients_that_have_them(tmp_path):
    contents = {"a.png": b"one", "b.png": b"two", "c.png": b"one", "d.png": b"six", "e.png": b"ten"}
    rows = ["a.png,0,train,p1", "b.png,0,train,p1", "c.png,0,train,p2", "d.png,0,train,p2", "e.png,0,train,p3"]
    groups = {
        Path(case["image"]).stem: case["group"] for case in read_csv(table(tmp_path, contents, rows), group="who")
    }
    assert groups == {"a": "p1", "b": "p1", "c": "p1", "d": "p1", "e": "p3"}


def test_a_copy_in_another_part_is_told(tmp_path, caplog):
    path = table(
        tmp_path, {"a.png": b"x", "b.png": b"x", "c.png": b"y"}, ["a.png,0,train,", "b.png,0,test,", "c.png,0,train,"]
    )
    with caplog.at_level(logging.WARNING):
        cases = read_csv(path, split="train")
    assert "a.png and" in caplog.text and "b.png, of another part, are the same image" in caplog.text
    assert all("group" not in case for case in cases)


def test_empty_files_and_files_of_one_size_are_no_copies(tmp_path, caplog):
    path = table(
        tmp_path, {"a.png": b"", "b.png": b"", "c.png": b"x", "d.png": b"y"}, [f"{n}.png,0,train," for n in "abcd"]
    )
    assert all("group" not in case for case in read_csv(path)) and not caplog.text


def test_a_copy_moves_no_other_case(tmp_path):
    """Cases of their own have their name as their group where others have one, and are drawn as before."""
    for place in range(12):
        (tmp_path / f"{place}.jpg").write_bytes(bytes([place]))
    cases = [{"image": str(tmp_path / f"{place}.jpg"), "name": f"{place}.jpg"} for place in range(12)]
    (tmp_path / "copy.jpg").write_bytes(bytes([3]))
    copied = bind_copies([*cases, {"image": str(tmp_path / "copy.jpg"), "name": "copy.jpg"}])
    assert all(case["group"] for case in copied) and copied[3]["group"] == copied[-1]["group"] != "3.jpg"

    def validating(cases):
        return {case["name"] for case in split(cases, "validation", 0, 3)}

    assert validating(copied) - {"3.jpg", "copy.jpg"} == validating(cases) - {"3.jpg"}

"""A case that cannot be predicted is named; the others are written, once."""

import json
import multiprocessing
import os
import random
import signal
import time

import nibabel
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, decollate_batch, list_data_collate

from dvpt_monai.errors import DataError, PredictionError
from dvpt_monai.predict.alone import alone
from dvpt_monai.predict.case_loader import in_words
from dvpt_monai.predict.ledger import Ledger
from tests.predict.small import folder_of, labels, network, predictor, volume

pytestmark = pytest.mark.filterwarnings("ignore")


def records(out):
    return [json.loads(line) for line in (out / "cases.jsonl").read_text().splitlines()]


def plain(source, count, bad=()):
    """Labels by a bare loop, without any of what is tested here."""
    whole = predictor(source, source.parent / "unused")
    done = {}
    for number, case in enumerate(whole.loader.cases):
        if number in bad:
            continue
        batch = next(
            iter(DataLoader(Dataset([case], whole.loader.dataset.dataset.transform), collate_fn=list_data_collate))
        )
        with torch.no_grad():
            batch["pred"] = whole.inferer(batch["image"], whole.network)
        (item,) = decollate_batch(batch)
        for step in whole.answer_steps.transforms[:-1]:
            item = step(item)
        done[f"case_{number:04}_seg.nii.gz"] = np.asarray(item["pred"][0]).astype(np.uint8)
    return done


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_bad_cases_are_named_and_the_others_written(tmp_path, caplog):
    source, out = folder_of(tmp_path / "in", 6, bad={1, 2, 3}), tmp_path / "out"
    prediction = predictor(source, out)
    prediction.run()
    assert equal(labels(out), plain(source, 6, bad={1, 2, 3}))
    with pytest.raises(PredictionError, match="3 of 6 cases failed") as error:
        prediction.check()
    for number, words in ((1, "case_0001"), (2, "case_0002"), (3, "NaN or infinite")):
        assert words in str(error.value) and f"case_{number:04}" in caplog.text
    by_image = {os.path.basename(record["image"]): record for record in records(out)}
    assert [by_image[f"case_{number:04}.nii.gz"]["status"] for number in range(6)] == [
        "done", "failed", "failed", "failed", "done", "done",
    ]  # fmt: skip
    good = by_image["case_0000.nii.gz"]
    assert len(good["input"]) == 64 and [*good["outputs"]] == [str(out / "case_0000_seg.nii.gz")]
    assert good["seconds"] > 0 and 0.05 < good["peak_memory"] < 64


def test_a_second_run_does_only_what_is_missing_or_changed(tmp_path):
    source, out = folder_of(tmp_path / "in", 7, bad={2}), tmp_path / "out"
    predictor(source, out).run()

    def rerun(**options):
        before = len(records(out))
        prediction = predictor(source, out, **options)
        prediction.run()
        return [os.path.basename(record["image"])[5:9] for record in records(out)[before:]], prediction

    assert rerun()[0] == ["0002"]  # what failed is tried again
    (out / "case_0000_seg.nii.gz").unlink()
    (out / "case_0001_seg.nii.gz").write_bytes(b"torn")
    volume(source / "case_0003.nii.gz", 99)
    volume(source / "case_0002.nii.gz", 2)
    done, prediction = rerun()
    assert done == ["0000", "0001", "0002", "0003"]
    prediction.check()
    assert equal(labels(out), plain(source, 7))
    assert rerun(spacing=(1.5, 1.5, 1.5))[0] == [f"{number:04}" for number in range(7)]  # another setting
    assert rerun(spacing=(1.5, 1.5, 1.5))[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.product)])
def test_killed_three_times_it_ends_as_if_never(tmp_path, count):
    """One in twenty is bad, and the process is killed wherever it happens to be."""
    bad = set(range(0, count, 20))
    source, out = folder_of(tmp_path / "in", count, bad), tmp_path / "out"
    fork = multiprocessing.get_context("fork")
    finished = []
    for share in (0.2, 0.5, 0.8):
        process = fork.Process(target=lambda: predictor(source, out).run())
        process.start()
        while process.is_alive() and len(lines(out)) < share * count:
            time.sleep(0.002)
        time.sleep(random.Random(share).random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        finished.append(len(lines(out)))
    assert 0 < finished[0] < finished[1] < finished[2] < 1.2 * count
    held = Ledger(out / "cases.jsonl")
    done_before = {image for image, record in held.records.items() if record.status == "done"}
    times = {path: path.stat().st_mtime_ns for path in out.glob("*_seg.nii.gz")}
    prediction = predictor(source, out)
    prediction.run()
    assert not done_before & set(prediction.done) and len(done_before) + len(prediction.done) == count - len(bad)
    kept = [path for path, time_ in times.items() if path.stat().st_mtime_ns == time_]
    assert len(kept) >= len(done_before)
    assert equal(labels(out), plain(source, count, bad))
    assert {os.path.basename(image)[5:9] for image in prediction.failed} == {f"{number:04}" for number in bad}
    with pytest.raises(PredictionError, match=f"{len(bad)} of {count} cases failed"):
        prediction.check()
    assert not list(out.glob(".*part-*"))


def lines(out):
    path = out / "cases.jsonl"
    return path.read_bytes().splitlines() if path.is_file() else []


def test_a_torn_last_line_is_no_record(tmp_path):
    source, out = folder_of(tmp_path / "in", 3), tmp_path / "out"
    predictor(source, out).run()
    path = out / "cases.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    prediction = predictor(source, out)
    prediction.run()
    assert [os.path.basename(image) for image in prediction.done] == ["case_0002.nii.gz"]
    assert len(Ledger(path).records) == 3 and all(record.status == "done" for record in Ledger(path).records.values())


def test_a_network_of_nan_answers_nothing(tmp_path):
    source, out = folder_of(tmp_path / "in", 2), tmp_path / "out"
    broken = network()
    torch.nn.init.constant_(broken.bias, np.nan)
    prediction = predictor(source, out, net=broken)
    prediction.run()
    assert not labels(out)
    with pytest.raises(PredictionError, match=r"2 of 2 cases failed.*the network answers NaN"):
        prediction.check()


def test_images_of_one_name_keep_what_tells_them_apart(tmp_path):
    for number in (1, 2):
        volume(tmp_path / "bids" / f"sub-{number}" / "anat" / "T1w.nii.gz", number)
    table = tmp_path / "bids" / "list.txt"
    table.write_text("sub-1/anat/T1w.nii.gz\nsub-2/anat/T1w.nii.gz\n")
    prediction = predictor(table, tmp_path / "out")
    prediction.run()
    prediction.check()
    assert sorted(labels(tmp_path / "out")) == ["sub-1/anat/T1w_seg.nii.gz", "sub-2/anat/T1w_seg.nii.gz"]


def test_images_below_keep_their_path_and_an_output_inside_is_none_of_them(tmp_path):
    source = tmp_path / "in"
    for number, name in enumerate(("a", "p1/a", "p1/b", "p1/masks/b")):
        volume(source / f"{name}.nii.gz", number)
    expected = ["a_seg.nii.gz", "p1/a_seg.nii.gz", "p1/b_seg.nii.gz"]
    for _ in range(2):
        predictor(source, source / "out", root=source).run()
        assert sorted(labels(source / "out")) == expected
    predictor(source, tmp_path / "elsewhere").run()  # without it, as bundles of the last release
    assert sorted(labels(tmp_path / "elsewhere")) == ["a_seg.nii.gz", "b_seg.nii.gz", "p1/a_seg.nii.gz"]


def test_a_killed_prediction_leaves_nothing_in_folders_either(tmp_path):
    for number in (1, 2):
        volume(tmp_path / "in" / f"sub-{number}" / "T1w.nii.gz", number)
    (tmp_path / "in" / "list.txt").write_text("sub-1/T1w.nii.gz\nsub-2/T1w.nii.gz\n")
    left, foreign = (tmp_path / "out" / place / ".a.part-0f.gz" for place in ("sub-1", "of others"))
    for part in (left, foreign):
        part.parent.mkdir(parents=True)
        part.write_bytes(b"half")
    predictor(tmp_path / "in" / "list.txt", tmp_path / "out").run()
    assert foreign.exists() and not left.exists()


def test_one_prediction_at_a_time_in_a_folder(tmp_path):
    source, out = folder_of(tmp_path / "in", 1), tmp_path / "out"
    with alone(out), pytest.raises(PredictionError, match="another process predicts into it"):
        predictor(source, out).run()
    assert not labels(out)
    predictor(source, out).run()
    assert len(labels(out)) == 1


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_predicted(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(PredictionError, match=r"out: cannot be written .*; set output_dir"):
        predictor(folder_of(tmp_path / "in", 1), tmp_path / "out").run()


def test_outputs_in_the_folder_of_the_images_are_no_images(tmp_path):
    source = folder_of(tmp_path / "in", 2)
    for _ in range(2):
        predictor(source, source).run()
    assert sorted(labels(source)) == ["case_0000_seg.nii.gz", "case_0001_seg.nii.gz"]


def test_workers_name_the_case_too(tmp_path):
    from dvpt_monai.predict import CaseLoader

    source, out = folder_of(tmp_path / "in", 4, bad={1, 3}), tmp_path / "out"
    prediction = predictor(source, out)
    prediction.loader = prediction.data_loader = CaseLoader(prediction.loader.dataset.dataset, num_workers=2)
    prediction.run()
    assert len(prediction.done) == 2 and sorted(os.path.basename(image)[5:9] for image in prediction.failed) == [
        "0001",
        "0003",
    ]


def test_errors_in_words():
    def fail():
        try:
            raise DataError("a.nii: damaged")
        except DataError as error:
            raise RuntimeError("applying transform") from error

    for kind, words in ((fail, "a.nii: damaged"), (lambda: 1 / 0, "ZeroDivisionError: division by zero")):
        with pytest.raises(Exception) as error:
            kind()
        assert in_words(error.value) == words


@pytest.mark.slow
def test_throughput_is_that_of_a_bare_loop(tmp_path):
    """At least nine tenths, of volumes and a network that take as long as small ones do.

    In time of the processor, of which other processes take no share.
    """
    for number in range(8):
        volume(tmp_path / "in" / f"case_{number:04}.nii.gz", number, shape=(64, 64, 64))
    torch.manual_seed(0)
    layers = [torch.nn.Conv3d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(16, 3, 3, padding=1)]
    settings = {"net": torch.nn.Sequential(*layers), "window": (32, 32, 32), "batch": 4}
    bare_s, ours_s = [], []
    for turn in range(3):
        prediction = predictor(tmp_path / "in", tmp_path / f"bare{turn}", **settings)
        start = time.process_time()
        for case in prediction.loader.cases:
            batch = list_data_collate([prediction.loader.dataset.dataset.transform(case)])
            with torch.no_grad():
                batch["pred"] = prediction.inferer(batch["image"], prediction.network)
            (item,) = decollate_batch(batch)
            for step in prediction.answer_steps.transforms[:-1]:
                item = step(item)
            path = tmp_path / f"bare{turn}" / os.path.basename(case["image"])
            path.parent.mkdir(exist_ok=True)
            array = np.asarray(item["pred"][0]).astype(np.uint8)
            nibabel.save(nibabel.Nifti1Image(array, np.asarray(item["pred"].affine)), path)
        bare_s.append(time.process_time() - start)
        start = time.process_time()
        predictor(tmp_path / "in", tmp_path / f"ours{turn}", **settings).run()
        ours_s.append(time.process_time() - start)
    print(f"bare {min(bare_s):.2f} s, predicted {min(ours_s):.2f} s: {min(bare_s) / min(ours_s):.3f}")
    assert min(bare_s) / min(ours_s) >= 0.9

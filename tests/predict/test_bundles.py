"""Bundles predict what comes in any format, through the command."""

import csv
import shutil
import sys

import monai.bundle
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from dvpt_monai.commands import main
from dvpt_monai.errors import BundleError, CheckpointError, PredictionError
from dvpt_monai.formats import read, read_segmentation
from dvpt_monai.predict.command import run
from tests.formats.test_series import series

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = ["anterior", "posterior"]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def volumes(trained_hippocampus, tmp_path_factory):
    """One volume in each format, in folders of their own."""
    folder = tmp_path_factory.mktemp("volumes")
    source = sorted((trained_hippocampus.data / "imagesTr").glob("*.nii.gz"))[0]
    image = sitk.Cast(sitk.ReadImage(str(source)) * 100, sitk.sitkInt16)
    for name in ("nifti/a.nii.gz", "nrrd/a.nrrd", "mha/a.mha"):
        (folder / name).parent.mkdir()
        sitk.WriteImage(image, str(folder / name))
    array = np.asanyarray(nibabel.load(folder / "nifti" / "a.nii.gz").dataobj)
    lps = np.diag([-1.0, -1, 1, 1]) @ nibabel.load(folder / "nifti" / "a.nii.gz").affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    directions = lps[:3, :3] / spacing
    places = [lps[:3, 3] + directions[:, 2] * spacing[2] * k for k in range(array.shape[2])]
    series(folder / "dicom" / "study" / "a", directions, tuple(spacing), array, places)
    return folder


@pytest.fixture(scope="module")
def expected(trained_hippocampus, volumes, tmp_path_factory):
    out = tmp_path_factory.mktemp("expected")
    run(trained_hippocampus.root, volumes / "nifti", out)
    return read(out / "a_seg.nii.gz")


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("nrrd", "a_seg.seg.nrrd"),
        ("mha", "a_seg.mha"),
        ("dicom", "study/a_seg.seg.nrrd"),  # the path below the folder that was given
        ("dicom/study/a", "a_seg.seg.nrrd"),  # the series itself
    ],
)
def test_every_format_gives_the_same_mask_in_its_own(trained_hippocampus, volumes, expected, tmp_path, kind, output):
    run(trained_hippocampus.root, volumes / kind, tmp_path)
    written = read(tmp_path / output, structures=NAMES) if output.endswith(".seg.nrrd") else read(tmp_path / output)
    flips = np.sign(np.diag(np.linalg.solve(expected.affine, written.affine))[:3]).astype(int)
    assert np.array_equal(written.array[:: flips[0], :: flips[1], :: flips[2]], expected.array)
    np.testing.assert_allclose(np.abs(np.diag(written.affine)), np.abs(np.diag(expected.affine)), atol=1e-4)
    if output.endswith(".seg.nrrd"):
        assert set(read_segmentation(tmp_path / output).masks) == set(NAMES)


def test_the_command_of_the_readme(trained_hippocampus, volumes, tmp_path, monkeypatch, capsys):
    """A folder of DICOM to a .seg.nrrd."""
    words = ["--bundle", str(trained_hippocampus.root), "--input", str(volumes / "dicom"), "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", "predict", *words])
    main()
    assert "Wrote 1 masks" in capsys.readouterr().out
    assert set(read_segmentation(tmp_path / "study" / "a_seg.seg.nrrd").masks) == set(NAMES)


def test_another_overlap_or_transform_predicts_anew(trained_hippocampus, volumes, tmp_path, capsys):
    """Whatever the config says of images and answers counts, not its settings alone."""
    steps = "preprocessing#transforms"
    changes = [{}, {}, {"inferer#inferer#overlap": 0.25}, {f"{steps}#4#mode": "nearest"}, {}, {"batch_size": 2}]
    written = []
    for change in changes:
        capsys.readouterr()
        monai.bundle.run(
            run_id="inferring",
            config_file=str(trained_hippocampus.root / "configs" / "inference.json"),
            dataset_dir=str(volumes / "nifti"),
            output_dir=str(tmp_path),
            **change,
        )
        written.append("Wrote 1 masks" in capsys.readouterr().out)
    assert written == [True, False, True, True, True, False]


def test_dicom_seg_on_wish(trained_hippocampus, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    from tests.formats.test_dicom_seg import study

    study(tmp_path / "in" / "ct")
    run(trained_hippocampus.root, tmp_path / "in", tmp_path / "out", output_format="dicom-seg")
    written = highdicom.seg.segread(tmp_path / "out" / "ct_seg.dcm")
    assert [written.get_segment_description(n).segment_label for n in (1, 2)] == NAMES


def test_a_bad_case_ends_a_bundle_with_its_reason(trained_hippocampus, volumes, tmp_path, monkeypatch, capsys):
    shutil.copytree(volumes / "nifti", tmp_path / "in")
    (tmp_path / "in" / "b.nii.gz").write_bytes((volumes / "nifti" / "a.nii.gz").read_bytes()[:-30])
    words = [
        "--bundle",
        str(trained_hippocampus.root),
        "--input",
        str(tmp_path / "in"),
        "--output",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", "predict", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1 and "b.nii.gz" in capsys.readouterr().err
    assert (tmp_path / "out" / "a_seg.nii.gz").is_file()


def test_a_classifier_goes_on_and_its_table_has_all(trained_fundus, tmp_path):
    images = sorted((trained_fundus.data / "images").iterdir())[:5]
    (tmp_path / "in").mkdir()
    for path in images:
        shutil.copy(path, tmp_path / "in")
    (tmp_path / "in" / "z.png").write_bytes(b"no image")
    for given in (images[:2], images):
        for path in (tmp_path / "in").iterdir():
            if path.name != "z.png" and path.name not in {one.name for one in given}:
                path.rename(tmp_path / path.name)
        for path in given:
            if (tmp_path / path.name).is_file():
                (tmp_path / path.name).rename(tmp_path / "in" / path.name)
        with pytest.raises(PredictionError, match=f"1 of {len(given) + 1} cases failed.*z.png"):
            run(trained_fundus.root, tmp_path / "in", tmp_path / "out")
        assert [row["image"] for row in rows(tmp_path / "out" / "predictions.csv")] == [path.name for path in given]
    once = tmp_path / "once"
    with pytest.raises(PredictionError):
        run(trained_fundus.root, tmp_path / "in", once)
    together, apart = ((folder / "predictions.csv").read_text() for folder in (once, tmp_path / "out"))
    assert [row["prediction"] for row in rows(once / "predictions.csv")] == [
        row["prediction"] for row in rows(tmp_path / "out" / "predictions.csv")
    ] and together.splitlines()[0] == apart.splitlines()[0]


def test_a_network_of_nan_names_no_class(trained_fundus, tmp_path):
    state = torch.load(trained_fundus.root / "models" / "model.pt", weights_only=True)
    name = next(key for key in state if key.startswith("head"))
    torch.save({**state, name: torch.full_like(state[name], np.nan)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="NaN"):
        run(
            trained_fundus.root, trained_fundus.data / "images", tmp_path / "out", checkpoint=str(tmp_path / "model.pt")
        )
    assert not (tmp_path / "out" / "predictions.csv").is_file() or not rows(tmp_path / "out" / "predictions.csv")


def test_masks_of_one_name_lie_in_folders(trained_lesions, tmp_path):
    images = sorted((trained_lesions.data / "test" / "images").iterdir())[:2]
    for folder, path in zip(("left", "right"), images, strict=True):
        (tmp_path / folder).mkdir()
        shutil.copy(path, tmp_path / folder / f"eye{path.suffix}")
    names = [str(next((tmp_path / folder).iterdir()).relative_to(tmp_path)) for folder in ("left", "right")]
    (tmp_path / "list.txt").write_text("\n".join(names))
    run(trained_lesions.root, tmp_path / "list.txt", tmp_path / "out")
    assert (tmp_path / "out" / "left" / "eye_MA.png").is_file() and (
        tmp_path / "out" / "right" / "eye_OD.png"
    ).is_file()


def test_bundles_that_cannot_are_refused(trained_fundus, tmp_path):
    with pytest.raises(BundleError, match="--bundle is a bundle's folder"):
        run(tmp_path, tmp_path, tmp_path)
    with pytest.raises(BundleError, match="--output-format: this bundle has no such setting"):
        run(trained_fundus.root, tmp_path, tmp_path, output_format="nifti")
    old = tmp_path / "old" / "configs"
    old.mkdir(parents=True)
    (old / "inference.json").write_text('{"evaluator": {"_target_": "SupervisedEvaluator"}}')
    with pytest.raises(BundleError, match="make the bundle anew"):
        run(tmp_path / "old", tmp_path, tmp_path)

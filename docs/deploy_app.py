"""A bundle as an application of MONAI Deploy App SDK: images in, masks or grades out.

    ./scripts/install_deploy.sh && ulimit -s 32768
    .venv-deploy/bin/python docs/deploy_app.py -m bundles/hippocampus_mri_segmentation -i imagesTs -o masks

-m is a bundle's folder with models/model.ts (`python -m monai.bundle ckpt_export`) or model.pt, or the model.ts; -i is
an image or a folder of them. Masks are written as <image>_seg.nii.gz, grades into predictions.csv. Keep the model.ts of
photographs in its bundle: adapter.safetensors beside it tells the normalisation that a backbone of your own needs.

The operator takes preprocessing, inferer and postprocessing from the bundle; what reads and writes files is left out of
them and stands here. For images that come as DICOM, put DICOMDataLoaderOperator, DICOMSeriesSelectorOperator and
DICOMSeriesToVolumeOperator in place of LoadImages, and DICOMSegmentationWriterOperator in place of WriteMasks.
Pixels have to be square then: of others, DICOMSeriesToVolumeOperator 4.0.0 swaps height and width.
"""

import csv
from pathlib import Path

import nibabel
import torch
from monai.data import NibabelReader, PILReader
from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Image, IOType, Operator, init_app_context
from monai.deploy.operators.monai_bundle_inference_operator import (
    IOMapping,
    MonaiBundleInferenceOperator,
    get_bundle_config,
)
from monai.transforms import LoadImage

from dvpt_monai.bundle import find_images

VOLUMES = (".nii", ".nii.gz")
PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


class LoadImages(Operator):
    """Emits one image after another, read as the bundles read it, with its path."""

    def __init__(self, application, paths, **names):
        self.paths = iter(paths)
        super().__init__(application, CountCondition(application, len(paths)), **names)

    def setup(self, spec):
        spec.output("image")
        spec.output("path")

    def compute(self, op_input, op_output, context):
        path = next(self.paths)
        reader = NibabelReader() if path.endswith(VOLUMES) else PILReader(reverse_indexing=False)
        image = LoadImage(reader)(path)
        op_output.emit(Image(image.numpy(), image.meta), "image")
        op_output.emit(path, "path")


class Grade(MonaiBundleInferenceOperator):
    """Emits the grade, and behind it the probability of each: of itself the operator emits `pred` alone."""

    def post_process(self, data, **inputs):
        case = super().post_process(data, **inputs)
        return {"pred": torch.cat([case["pred"], case["probability"]])}


class WriteMasks(Operator):
    """Writes each mask onto the grid of its image."""

    def __init__(self, application, folder, **names):
        self.folder = folder
        super().__init__(application, **names)

    def setup(self, spec):
        spec.input("pred")
        spec.input("path")

    def compute(self, op_input, op_output, context):
        mask, path = op_input.receive("pred"), Path(op_input.receive("path"))
        voxels = mask.asnumpy().transpose(2, 1, 0)  # an Image holds slices first, as DICOM does
        name = path.name.removesuffix(".gz").removesuffix(".nii")
        # `affine` is that of the resampled image, from which the postprocessing went back
        affine = mask.metadata()["original_affine"]
        nibabel.save(nibabel.Nifti1Image(voxels, affine), self.folder / f"{name}_seg.nii.gz")


class WriteGrades(Operator):
    """Writes a table with the grade of each image and the probability of each grade."""

    def __init__(self, application, folder, **names):
        self.table = folder / "predictions.csv"
        self.table.unlink(missing_ok=True)
        super().__init__(application, **names)

    def setup(self, spec):
        spec.input("pred")
        spec.input("path")

    def compute(self, op_input, op_output, context):
        grade, *probabilities = op_input.receive("pred").tolist()
        is_new = not self.table.exists()
        with self.table.open("a", newline="") as file:
            rows = csv.writer(file)
            if is_new:
                rows.writerow(["image", "prediction", *(f"probability_{i}" for i in range(len(probabilities)))])
            rows.writerow([Path(op_input.receive("path")).name, int(grade), *(f"{p:.6f}" for p in probabilities)])


class Predict(Application):
    """Images to the bundle to files."""

    def compose(self):
        context = init_app_context(self.argv)
        model, folder = Path(context.model_path).resolve(), Path(context.output_path).resolve()
        if model.is_dir():
            context.models = None  # it takes any folder for a network; the operator opens those of bundles itself
        segments = format_of(model) == "segmentation"
        cases = find_images(context.input_path, VOLUMES if segments else PHOTOGRAPHS)
        folder.mkdir(parents=True, exist_ok=True)

        load = LoadImages(self, [case["image"] for case in cases], name="load")
        predict = (MonaiBundleInferenceOperator if segments else Grade)(
            self,
            app_context=context,
            bundle_path=model,
            input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
            name="predict",
        )
        write = (WriteMasks if segments else WriteGrades)(self, folder, name="write")
        self.add_flow(load, predict, {("image", "image")})
        self.add_flow(predict, write, {("pred", "pred")})
        self.add_flow(load, write, {("path", "path")})


def format_of(model):
    """What the bundle's metadata say of its output; without a bundle the operator would fail in the middle only."""
    try:
        metadata = get_bundle_config(model, "inference")["_meta_"]
    except Exception as error:
        raise SystemExit(
            f"error: {model} is neither a bundle's folder nor a model.ts that holds its configs ({error}); export one: "
            "python -m monai.bundle ckpt_export"
        ) from error
    if model.is_dir() and not any((model / "models" / name).is_file() for name in ("model.pt", "model.ts")):
        raise SystemExit(f"error: {model} holds no models/model.pt, nor a model.ts: train or complete the bundle first")
    return metadata["network_data_format"]["outputs"]["pred"]["format"]


if __name__ == "__main__":
    Predict().run()

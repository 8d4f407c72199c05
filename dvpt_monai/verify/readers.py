"""The affine that other readers than nibabel give a NIfTI file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dvpt_monai.verify.stored import Volume

__all__ = ["itk_affine", "monai_affine"]

_LPS = np.diag([-1.0, -1.0, 1.0])
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def itk_affine(path: Path) -> NDArray[Any]:
    """SimpleITK's, to RAS; reads the header alone.

    Raises:
        RuntimeError: ITK refuses the header.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    dims = reader.GetDimension()
    direction = np.reshape(reader.GetDirection(), (dims, dims))[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = _LPS @ direction * np.asarray(reader.GetSpacing()[:3])
    affine[:3, 3] = _LPS @ np.asarray(reader.GetOrigin()[:3])
    return affine


def monai_affine(header: Volume) -> NDArray[Any]:
    """That of MONAI's ``NibabelReader``, which mends headers whose sform and ``pixdim`` differ.

    It then takes the qform, even one whose code is 0, so that the turn and the origin of the sform are lost.
    """
    sform, qform = header.sform, header.qform
    if sform is not None and not np.allclose(np.linalg.norm(sform[:3, :3], axis=0), header.spacing):
        return np.diag([*header.spacing, 1.0]) if qform is None else qform
    chosen = qform if sform is None else sform
    assert chosen is not None
    return chosen

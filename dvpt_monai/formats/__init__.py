"""Image files of every format that the field uses: pixels, where they lie, and back again.

`read` gives an `Image` of a file or a DICOM series, `read_segmentation` the named structures of a segmentation,
`write_labels` puts labels onto the grid and into the format of an image. Libraries are imported when a file needs them.
"""

from dvpt_monai.formats.below import files_below
from dvpt_monai.formats.grid import apart, into_grid, tolerance
from dvpt_monai.formats.image import Image
from dvpt_monai.formats.masks import (
    IMAGE_FOLDERS,
    LOSSY,
    MASK_FOLDERS,
    MASK_TAILS,
    image_name,
    masks_among,
    names_structures,
)
from dvpt_monai.formats.names import output_paths
from dvpt_monai.formats.read import SUFFIXES, Format, files_of, format_of, name_of, read, read_segmentation
from dvpt_monai.formats.seg_nrrd import has_layers, segment_names
from dvpt_monai.formats.segmentation import COLOURS, Segmentation
from dvpt_monai.formats.series import series_files
from dvpt_monai.formats.write import OUTPUTS, smallest, write_labels

__all__ = [
    "COLOURS",
    "IMAGE_FOLDERS",
    "LOSSY",
    "MASK_FOLDERS",
    "MASK_TAILS",
    "OUTPUTS",
    "SUFFIXES",
    "Format",
    "Image",
    "Segmentation",
    "apart",
    "files_below",
    "files_of",
    "format_of",
    "has_layers",
    "image_name",
    "into_grid",
    "masks_among",
    "name_of",
    "names_structures",
    "output_paths",
    "read",
    "read_segmentation",
    "segment_names",
    "series_files",
    "smallest",
    "tolerance",
    "write_labels",
]

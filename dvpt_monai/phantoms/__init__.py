"""Generated images for a first try, where no real data is at hand. None of them shows a patient.

`write_fundus` paints photographs of a retina: disc, fovea, arteries and veins, and the lesions of diabetic retinopathy,
more of them and graver with each grade; `write_lesions` adds a mask for each lesion. `write_hippocampus` builds
MRI-like volumes with two structures that touch, `write_adrenal` the shapes of glands. `write_medfmc` draws chests with
one kind of mark for each label. All write the layouts of the real data sets, and a ``PHANTOM.txt`` that says what they
are.
"""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.phantoms.adrenal import draw_adrenal
    from dvpt_monai.phantoms.chest import draw_chest
    from dvpt_monai.phantoms.decathlon import write_hippocampus
    from dvpt_monai.phantoms.folder import is_phantom
    from dvpt_monai.phantoms.fundus import draw_fundus, draw_lesions
    from dvpt_monai.phantoms.hippocampus import draw_hippocampus
    from dvpt_monai.phantoms.idrid import write_fundus, write_lesions
    from dvpt_monai.phantoms.medfmc import write_medfmc
    from dvpt_monai.phantoms.medmnist import write_adrenal
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adrenal": "draw_adrenal",
            "chest": "draw_chest",
            "decathlon": "write_hippocampus",
            "folder": "is_phantom",
            "fundus": "draw_fundus draw_lesions",
            "hippocampus": "draw_hippocampus",
            "idrid": "write_fundus write_lesions",
            "medfmc": "write_medfmc",
            "medmnist": "write_adrenal",
        },
    )

__all__ = [
    "draw_adrenal",
    "draw_chest",
    "draw_fundus",
    "draw_hippocampus",
    "draw_lesions",
    "is_phantom",
    "write_adrenal",
    "write_fundus",
    "write_hippocampus",
    "write_lesions",
    "write_medfmc",
]

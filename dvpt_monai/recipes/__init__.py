"""What a bundle is made of, written once: recipes say what is a bundle's own, parts make its configs of that.

``recipe.py`` lists everything in which bundles differ. ``train.py``, ``evaluate.py``, ``inference.py``,
``multi_gpu.py`` and ``metadata.py`` read like the files that they make. ``cases.py``, ``steps.py``, ``networks.py``,
``tasks.py`` and ``answers.py`` hold the parts that recipes choose from, and each bundle has a file of its name. After a
change, ``python -m dvpt_monai write-bundles`` writes all bundles anew.
"""

from dvpt_monai.recipes.recipe import About, Cases, Images, Network, Recipe, Task
from dvpt_monai.recipes.write import BUNDLES, configs, files, write_bundles

__all__ = [
    "BUNDLES",
    "About",
    "Cases",
    "Images",
    "Network",
    "Recipe",
    "Task",
    "configs",
    "files",
    "write_bundles",
]

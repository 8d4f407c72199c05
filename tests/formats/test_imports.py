import subprocess
import sys
from pathlib import Path

import dvpt_monai

CODE = """
import sys, types
sys.modules["dvpt_monai"] = package = types.ModuleType("dvpt_monai")  # without what its own first line imports
package.__path__ = [{folder!r}]
import dvpt_monai.formats
print(sorted({{"SimpleITK", "nibabel", "pydicom", "highdicom", "monai", "torch"}} & set(sys.modules)))
"""


def test_libraries_are_imported_when_a_file_needs_them():
    code = CODE.format(folder=str(Path(dvpt_monai.__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

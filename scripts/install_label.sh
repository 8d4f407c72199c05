#!/usr/bin/env bash
# MONAI Label in a virtual environment of its own: it needs numpy below 2, pydicom below 3 and jsonschema below 4.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

usage() {
    cat <<'TEXT'
usage: ./scripts/install_label.sh [DIR]

Installs MONAI Label 0.8.5 and this package into DIR (default: .venv-label), 2.3 GB with torch for CPU. Quick when it
already did.
TEXT
}

case ${1:-} in -h | --help) usage; exit ;; esac
venv=$(place .venv-label "${1:-}")
versions=scripts/label-constraints.txt
python() { "$venv/bin/python" "$@"; }

install_label() {
    stage "MONAI Label: torch"
    python -m pip install -c "$versions" torch || die "torch could not be installed: pip's reason is above"

    # All versions are written down, so that pip resolves nothing: MONAI Label asks for packages that it does not need
    # here (CUDA, SAM 2, the whole of ITK) and for older ones of others.
    stage "MONAI Label: the server and what it needs"
    python -m pip install --no-deps -r "$versions" || die "MONAI Label could not be installed: pip's reason is above"
    python -m pip install --no-deps -e . || die "this package could not be installed: pip's reason is above"

    stage "MONAI Label: does it start?"
    start=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sitecustomize.py
    rm -f "$start"
    python -c "import torchvision" 2>/dev/null || declare_torchvision >"$start"
    python -c "import dvpt_monai.handlers, dvpt_monai.metrics, monailabel.main" ||
        die "what was installed cannot be imported: the reason is above"
}

# The torchvision of PyPI is built for CUDA. Beside a torch for CPU its compiled part does not load, and without the
# schemas of these two operators, which nobody calls here, its Python part does not either.
declare_torchvision() {
    cat <<'PYTHON'
"""Let torchvision for CUDA be imported beside torch for CPU; written by scripts/install_label.sh, which says why."""

import sys


class BeforeTorchvision:
    """Declares the operators just before torchvision is imported: who does not import it need not wait for torch."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", boxes)
        return None


sys.meta_path.insert(0, BeforeTorchvision())
PYTHON
}

make_venv "$venv" "3, 11"
python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' ||
    die "numpy 1.26 has no wheels for Python 3.13; delete $venv and name another: PYTHON=python3.12 $0"
once "$venv/installed" "$(cat "$versions" scripts/install_label.sh | cksum)" install_label

cat <<TEXT

MONAI Label is in $venv. To serve a bundle that is trained (models/model.pt), where BUNDLE is its folder:

  app=$venv/monailabel/sample-apps/monaibundle
  mkdir -p \$app/model && cp -r BUNDLE \$app/model/
  $venv/bin/python -m monailabel.main start_server --app \$app --studies FOLDER_OF_IMAGES --host 127.0.0.1 \\
      --conf models NAME_OF_BUNDLE --conf zoo_source local --conf sam2 false
TEXT

#!/usr/bin/env bash
# nnU-Net in a virtual environment of its own: the package is compared with it, and needs it for nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

usage() {
    cat <<'TEXT'
usage: ./scripts/install_nnunet.sh [DIR]

Installs nnU-Net 2.8.1 and this package into DIR (default: .venv-nnunet), 2 GB without a GPU. Quick when it already did.
TEXT
}

case ${1:-} in -h | --help) usage; exit ;; esac
venv=$(place .venv-nnunet "${1:-}")
python() { "$venv/bin/python" "$@"; }

install_nnunet() {
    stage "nnU-Net: torch"
    python -m pip install -c constraints.txt torch || die "torch could not be installed: pip's reason is above"

    stage "nnU-Net and what it needs"
    python -m pip install -c constraints.txt -e ".[nnunet]" ||
        die "nnU-Net could not be installed: pip's reason is above"

    stage "nnU-Net: does it start?"
    python -c "import dvpt_monai, nnunetv2" || die "what was installed cannot be imported: the reason is above"
}

make_venv "$venv"
once "$venv/installed" "$(cat constraints.txt scripts/install_nnunet.sh | cksum)" install_nnunet

cat <<TEXT

nnU-Net is in $venv. To train it for as long as a run of this package took, on the same cases:

  python scripts/benchmark.py run hippocampus_nnunet
  $venv/bin/python scripts/benchmark_nnunet.py
TEXT

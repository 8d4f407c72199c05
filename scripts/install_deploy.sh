#!/usr/bin/env bash
# MONAI Deploy App SDK in a virtual environment of its own: it brings NVIDIA Holoscan and Triton's clients, 1.8 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

usage() {
    cat <<'TEXT'
usage: ./scripts/install_deploy.sh [DIR]

Installs MONAI Deploy App SDK 4.0.0 and this package into DIR (default: .venv-deploy), without a GPU 1.8 GB; for Linux on
x86_64. Quick when it already did.
TEXT
}

case ${1:-} in -h | --help) usage; exit ;; esac
venv=$(place .venv-deploy "${1:-}")
versions=scripts/deploy-constraints.txt
python() { "$venv/bin/python" "$@"; }

install_deploy() {
    stage "MONAI Deploy App SDK: torch"
    python -m pip install -c "$versions" torch || die "torch could not be installed: pip's reason is above"

    stage "MONAI Deploy App SDK and what it needs"
    # all versions are written down, so that pip has nothing to choose, above all no larger build of torch
    python -m pip install --no-deps -r "$versions" ||
        die "MONAI Deploy App SDK could not be installed: pip's reason is above"
    python -m pip install --no-deps -e . || die "this package could not be installed: pip's reason is above"

    stage "MONAI Deploy App SDK: does it start?"
    python -c "import dvpt_monai, monai.deploy.operators" ||
        die "what was installed cannot be imported: the reason is above"
}

make_venv "$venv" "3, 11"
once "$venv/installed" "$(cat "$versions" scripts/install_deploy.sh | cksum)" install_deploy

cat <<TEXT

MONAI Deploy App SDK is in $venv. To predict with a bundle that is trained, where BUNDLE is its folder:

  ulimit -s 32768
  $venv/bin/python docs/deploy_app.py -m BUNDLE -i IMAGES -o OUTPUT
TEXT

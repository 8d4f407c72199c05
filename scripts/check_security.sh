#!/usr/bin/env bash
# Looks for code that runs what it should not (bandit), and for known holes in what is installed (pip-audit).
# Where the index, or the data of holes, cannot be reached, it says so and passes: the workflow reaches them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

tools=.venv/security
make_venv "$tools"
if ! once "$tools/installed" "bandit 1.9 pip-audit 2.10" \
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "bandit~=1.9.0" "pip-audit~=2.10.0"; then
    echo "bandit and pip-audit are not checked: the package index is not reached"
    exit 0
fi

stage "Code: bandit"
# The tests that are left out, and why; single lines say why themselves, behind "nosec".
#   B105 passwords: names of tensors, such as cls_token
#   B101 assert: tells mypy what is true; nothing depends on it
#   B110, B112 try, except, pass: readers that stumble in every way that damaged bytes can think of
#   B311 random: draws cases and augmentations, no keys
#   B404, B603 subprocess: python and pip, as lists, never through a shell
skipped=B101,B105,B110,B112,B311,B404,B603
"$tools/bin/python" -m bandit --quiet --recursive dvpt_monai scripts --skip "$skipped"

stage "Dependencies: pip-audit"
[[ -x .venv/bin/python ]] || exit 0
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
code=0
report=$("$tools/bin/python" -m pip_audit --path "$site" --progress-spinner off --timeout 20 2>&1) || code=$?
# a mirror of the index has no data of holes, not even those of pip
unreached="^pip .*could not be audited|ConnectionError|ServiceError|Max retries|Connection refused|timed out"
if grep -qE "$unreached" <<<"$report"; then
    echo "pip-audit is not checked: its data are not reached"
    exit 0
fi
echo "$report"
exit "$code"

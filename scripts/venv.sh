# shellcheck shell=bash
# Sourced by quickstart.sh, test.sh and .ci/run, from the root of the repository.

# a path, a home or a pip target of the user's own must not reach into the environment
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

die() {
    printf '\n%s: %s\n' "$0" "$*" >&2
    exit 1
}

stage() {
    printf '\n=== %s [%d:%02d]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# venv_with [EXTRA]: .venv holds the package and this extra of setup.cfg afterwards. Quick when it already does.
venv_with() {
    local target=".${1:+[$1]}" python=${PYTHON:-python3} stamp state
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
            die "Python 3.10 or newer is needed; name one: PYTHON=python3.11 $0"
        "$python" -m venv --clear .venv ||
            die "'$python -m venv' failed: on Debian and Ubuntu install python3-venv; is the disk full?"
    fi
    # the folder belongs to the state because an editable installation points to it
    state="$PWD $(cat setup.cfg pyproject.toml constraints.txt | cksum)"
    stamp=".venv/installed${1:+-$1}"
    [[ "$(cat "$stamp" 2>/dev/null)" == "$state" ]] && return

    stage "Installing '$target' into .venv (2 to 3 minutes the first time)"
    # torch alone and first, at its pinned version: what the others ask for can then not replace it by a larger build
    .venv/bin/python -m pip install -c constraints.txt torch ||
        die "torch could not be installed (pip's reason is above): is the package index reachable?"
    .venv/bin/python -m pip install -c constraints.txt -e "$target" ||
        die "'$target' could not be installed: pip's reason is above"
    echo "$state" >"$stamp"
}

# shellcheck shell=bash
# Sourced by the other scripts and .ci/run, from the root of the repository.

# a path, a home or a pip target of the user's own must not reach into the environment
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

die() {
    printf '\n%s: %s\n' "$0" "$*" >&2
    exit 1
}

stage() {
    printf '\n=== %s [%d:%02d]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# place DEFAULT [DIR]: prints DIR as seen from where the script was called, before its cd; without it DEFAULT
place() {
    case ${2:-} in
        "") echo "$1" ;;
        /*) echo "$2" ;;
        *) echo "$OLDPWD/$2" ;;
    esac
}

# make_venv DIR [VERSION]: a virtual environment is there afterwards, of Python VERSION ("3, 10") or newer
make_venv() {
    local python=${PYTHON:-python3} version=${2:-3, 10}
    "$1/bin/python" -m pip --version >/dev/null 2>&1 && return
    "$python" -c "import sys; sys.exit(sys.version_info < ($version))" ||
        die "Python ${version/, /.} or newer is needed; name one: PYTHON=python${version/, /.} $0"
    "$python" -m venv --clear "$1" ||
        die "'$python -m venv' failed: on Debian and Ubuntu install python3-venv; is the disk full?"
}

# once STAMP STATE COMMAND...: runs the command, unless it has succeeded with the same state before
once() {
    local stamp=$1 state
    # the folder belongs to the state because an editable installation points to it
    state="$PWD $(cat setup.cfg pyproject.toml | cksum) $2"
    shift 2
    [[ "$(cat "$stamp" 2>/dev/null)" == "$state" ]] && return
    "$@"
    echo "$state" >"$stamp"
}

# venv_with [EXTRA]: .venv holds the package and this extra of setup.cfg afterwards. Quick when it already does.
venv_with() {
    make_venv .venv
    once ".venv/installed${1:+-$1}" "$(cksum <constraints.txt)" install ".${1:+[$1]}"
}

# pip in .venv; in a log its many lines are none, but for warnings and errors
pip() {
    local quiet=()
    [[ -t 1 ]] || quiet=(--quiet --progress-bar off)
    .venv/bin/python -m pip "$@" "${quiet[@]}"
}

install() {
    stage "Installing '$1' into .venv (2 to 3 minutes the first time)"
    # torch alone and first, at its pinned version: what the others ask for can then not replace it by a larger build
    pip install -c constraints.txt torch ||
        die "torch could not be installed (pip's reason is above): is the package index reachable?"
    pip install -c constraints.txt -e "$1" ||
        die "'$1' could not be installed: pip's reason is above"
}

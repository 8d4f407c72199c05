#!/usr/bin/env bash
# Installs what the tests need into .venv, then lints, checks types and runs the tests.
# What follows on the command line goes to pytest: ./scripts/test.sh -m bundle, ./scripts/test.sh tests/tuning -x
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

venv_with test
# what ours is compared with; they ask for torchvision, whose binary fits one build of torch alone, and need it not
theirs=(timm==1.0.22 dynamic-network-architectures==0.4.4)
once .venv/installed-parity "${theirs[*]}" pip install --no-deps "${theirs[@]}"

stage "Style: ruff"
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .

stage "Types: mypy"
.venv/bin/python -m mypy

stage "Tests: pytest $*"
.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 "$@"

stage "All passed"

#!/usr/bin/env bash
# Installs everything into .venv and runs every check: style, types, imports, tests, documentation.
# `bash check.sh 3.13` does the same with python3.13, in .venv-3.13.
set -euo pipefail
cd "$(dirname "$0")"
[ $# = 0 ] || export VENV=".venv-$1" PYTHON="python$1"

# PyTorch first, and from its CPU index: the builds elsewhere bring gigabytes of GPU libraries.
bash install.sh --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu --group train
bash install.sh --group test --group lint --group docs --editable '.[all]'
export PATH="$PWD/${VENV:-.venv}/bin:$PATH" OMP_NUM_THREADS=1 MPLBACKEND=agg

ruff check
ruff format --check
mypy
lint-imports
python -m pytest --numprocesses 2 --cov --durations 10
sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

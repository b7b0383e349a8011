#!/usr/bin/env bash
# Makes .venv and installs songscore into it, without root. Arguments go to pip: `bash install.sh '.[all]'`.
# PYTHON names another interpreter, VENV another folder. Debian's python3 without python3-venv has no pip to put there:
# it comes from PyPI.
set -euo pipefail
cd "$(dirname "$0")"

venv=${VENV:-.venv}
has_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

if ! has_pip && ! "${PYTHON:-python3}" -m venv "$venv" >/dev/null 2>&1; then
    "${PYTHON:-python3}" -m venv --clear --without-pip "$venv"
    "$venv/bin/python" - <<'PY'
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

index = "https://pypi.org/pypi/pip/json"
with urllib.request.urlopen(index) as answer:
    wheel = next(file for file in json.load(answer)["urls"] if file["packagetype"] == "bdist_wheel")
with urllib.request.urlopen(urllib.parse.urljoin(index, wheel["url"])) as answer:
    content = answer.read()
if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
    sys.exit(f"{wheel['filename']} is not the file that PyPI announces")
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, wheel["filename"])
    path.write_bytes(content)
    subprocess.run([sys.executable, path / "pip", "install", "--quiet", "--no-index", path], check=True)
PY
fi
echo "Installing into $(realpath "$venv"); this takes a minute." >&2
"$venv/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$venv/bin/python" -m pip install --quiet "${@:-.[aac,plot]}"

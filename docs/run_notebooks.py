"""Run every notebook and store it with its outputs."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

os.environ.pop("MPLBACKEND", None)  # else the kernel would not put figures into the notebook
for path in sorted(NOTEBOOKS.glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", record_timing=False, resources={"metadata": {"path": folder}}
        )
        client.execute()
    notebook.metadata = nbformat.from_dict(metadata)
    nbformat.write(notebook, path)

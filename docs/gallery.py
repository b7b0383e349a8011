"""The notebooks as pages of the documentation, and the cards that lead to them."""

from __future__ import annotations

import base64
import json
import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread, imsave
from numpy.typing import NDArray

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAGES = Path(__file__).with_name("notebooks")

PLACE = "<!-- cards -->"
"""Where the cards go in ``gallery.md``."""

CARD = """
:::{{grid-item-card}} {title}
:link: {page}
:link-type: doc
:img-top: {page}.png
{text}
:::
"""


def copy_notebooks() -> None:
    """Put the notebooks beside the pages, each with a thumbnail of its first picture."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir()
    for path in _notebooks():
        shutil.copy2(path, PAGES)
        imsave((PAGES / path.stem).with_suffix(".png"), _thumbnail(_first_picture(_cells(path))))


def gallery_page(page: str) -> str:
    """The page with a card for each notebook in its place."""
    if PLACE not in page:
        raise ValueError(f"gallery.md has no {PLACE}")
    return page.replace(PLACE, "".join(map(_card, _notebooks())))


def _notebooks() -> list[Path]:
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def _cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))["cells"]


def _card(path: Path) -> str:
    """The title of a notebook and the first sentence under it."""
    title, _, text = "".join(_cells(path)[0]["source"]).partition("\n")
    first = re.match(r".*?[.](?=\s|$)", text.strip(), re.DOTALL)
    return CARD.format(title=title.lstrip("# "), page=f"notebooks/{path.stem}", text=first[0] if first else "")


def _first_picture(cells: list[dict[str, Any]]) -> NDArray[np.float32]:
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    return imread(BytesIO(base64.b64decode(next(data["image/png"] for data in outputs if "image/png" in data))))


def _thumbnail(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Its upper part, twice as wide as high, on white."""
    top = picture[: picture.shape[1] // 2]
    missing = picture.shape[1] // 2 - len(top)
    return np.pad(top, [(missing // 2, missing - missing // 2), (0, 0), (0, 0)], constant_values=1)

"""Run a benchmark by name: ``python -m benchmarks certainty --work build/training``; without a name, list them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the script of that name with the rest of the arguments."""
    names = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"python -m benchmarks NAME, where NAME is one of: {', '.join(names)}")
    name = sys.argv.pop(1)
    sys.argv[0] = str(HERE / f"{name}.py")
    sys.path.append(str(HERE))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

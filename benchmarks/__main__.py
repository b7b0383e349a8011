"""``python -m benchmarks`` lists the benchmarks and runs them."""

from .material.runner import main

if __name__ == "__main__":
    main(prog_name="python -m benchmarks")

"""Figures of songscore: every table of the documentation is printed by one of these modules.

``python -m benchmarks`` lists them, and ``python -m benchmarks NAME`` runs one. What they have in common stands in
``material``; ``training_data`` brings together the sounds on which the shipped model is trained.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # times are those of one core

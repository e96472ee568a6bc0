"""Shared by all tests."""

import os

# Before numpy is imported: matrices here are small, and BLAS threads that fight for busy cores take minutes for seconds.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

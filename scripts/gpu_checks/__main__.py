"""`python -m scripts.gpu_checks`, which `scripts/check_gpu` calls."""

import sys

from scripts.gpu_checks.command import main

if __name__ == "__main__":
    sys.exit(main())

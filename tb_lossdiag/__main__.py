"""`python -m tb_lossdiag`."""

import sys

from tb_lossdiag.cli import main

if __name__ == "__main__":
    sys.exit(main())

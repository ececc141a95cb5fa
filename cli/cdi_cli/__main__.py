"""`python -m cdi_cli` is the command `cdi`."""

import sys

from cdi_cli.main import main

sys.exit(main())

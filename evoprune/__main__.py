"""`python -m evoprune` is the command `evoprune`."""

import sys

from evoprune.cli import main

sys.exit(main())

"""``python -m pipeline`` is ``nhi-upload``."""

import sys

from pipeline.cli import main

sys.exit(main())

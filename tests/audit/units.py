#!/usr/bin/env python3
"""contrib/systemd lets its services do all that they do, behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.crossroads import CrossroadsPostfix  # noqa: E402
from lib.scenarios import units  # noqa: E402

suite.main(CrossroadsPostfix, units)

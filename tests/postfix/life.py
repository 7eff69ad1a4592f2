#!/usr/bin/env python3
"""Start, stop and reload of the filter: behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import life  # noqa: E402

suite.main(Postfix, life)

#!/usr/bin/env python3
"""System calls that fail, lie and hang in the filter that runs (P1, P2, P7): behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import calls  # noqa: E402

suite.main(Postfix, calls)

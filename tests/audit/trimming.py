#!/usr/bin/env python3
"""The journal stays small by itself: what is settled goes, and what is not stays (P3), behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import trimming  # noqa: E402

suite.main(Postfix, trimming)

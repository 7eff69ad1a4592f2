#!/usr/bin/env python3
"""Quotas, limits, a failing disk and a spool of another (P1, P2): behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import limits  # noqa: E402

suite.main(Postfix, limits)

#!/usr/bin/env python3
"""Connections of every kind leave what they should, and no more (P1, P2): behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import sessions  # noqa: E402

suite.main(Postfix, sessions)

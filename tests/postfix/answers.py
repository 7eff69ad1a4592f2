#!/usr/bin/env python3
"""Every 4xx, its reason and what it leaves (P2, P3, P6): behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import answers  # noqa: E402

suite.main(Postfix, answers)

#!/usr/bin/env python3
"""The journal goes away, hangs and comes back (P1, P2): behind a real Sendmail."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.sendmail import Sendmail  # noqa: E402
from lib.scenarios import faults  # noqa: E402

suite.main(Sendmail, faults)

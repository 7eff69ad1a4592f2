#!/usr/bin/env python3
"""The filter and the MTA killed under load (P1, P6, P7): behind a real Sendmail."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.sendmail import Sendmail  # noqa: E402
from lib.scenarios import crashes  # noqa: E402

suite.main(Sendmail, crashes)

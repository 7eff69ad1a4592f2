#!/usr/bin/env python3
"""Every recipient is on the books (P4): behind a real Sendmail, with its log and its queue."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.crossroads import CrossroadsSendmail  # noqa: E402
from lib.scenarios import books, fates, following  # noqa: E402

suite.main(CrossroadsSendmail, fates, books, following)

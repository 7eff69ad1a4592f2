#!/usr/bin/env python3
"""contrib/replay brings a journal's mail back with no Holdfast at hand: into a real Sendmail."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.sendmail import Sendmail  # noqa: E402
from lib.scenarios import replay  # noqa: E402

suite.main(Sendmail, replay)

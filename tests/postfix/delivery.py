#!/usr/bin/env python3
"""What passes is in the journal, as the next host got it (P1): behind a real Postfix."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import suite  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.scenarios import delivery  # noqa: E402

suite.main(Postfix, delivery)

"""What the tests of the pages share."""

from __future__ import annotations

import sys
from pathlib import Path

# Test modules are imported by path, so what they share is found only if its folder is on the path.
sys.path.insert(0, str(Path(__file__).parent))

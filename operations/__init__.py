"""What an operator runs against a stack, local or on AWS, with the types of its layer."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "layers" / "common"))

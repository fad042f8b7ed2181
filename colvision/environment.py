"""The variables of the environment that the command line and the app read, and the library they use without one."""

import os
from pathlib import Path

import platformdirs

LIBRARY_VARIABLE = "COLVISION_LIBRARY"
ENCODER_VARIABLE = "COLVISION_ENCODER"
TOKEN_VARIABLE = "COLVISION_TOKEN"


def default_library() -> Path:
    """The folder of `COLVISION_LIBRARY`, else `colvision` in the user's data directory."""
    named = os.environ.get(LIBRARY_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("colvision", appauthor=False))

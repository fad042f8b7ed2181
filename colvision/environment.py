"""Environment variables that the command line and the app read, and the default library."""

import os
from pathlib import Path

import platformdirs

LIBRARY_VARIABLE = "COLVISION_LIBRARY"
ENCODER_VARIABLE = "COLVISION_ENCODER"
TOKEN_VARIABLE = "COLVISION_TOKEN"
INSTRUCTIONS_VARIABLE = "COLVISION_INSTRUCTIONS"


def default_library() -> Path:
    """The folder of `COLVISION_LIBRARY`, else `colvision` in the user's data directory."""
    folder = os.environ.get(LIBRARY_VARIABLE)
    return Path(folder).expanduser() if folder else Path(platformdirs.user_data_dir("colvision", appauthor=False))

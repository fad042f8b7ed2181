"""Environment variables that the command line and the app read, and the default library."""

import os
from pathlib import Path

import platformdirs

LIBRARY_VARIABLE = "COLVISION_LIBRARY"
ENCODER_VARIABLE = "COLVISION_ENCODER"
TOKEN_VARIABLE = "COLVISION_TOKEN"
ANSWERS_KEY_VARIABLE = "COLVISION_ANSWERS_KEY"  # of the app: sent to the endpoint that writes answers, and nowhere else
OCR_VARIABLE = "COLVISION_OCR"  # of the app: what reads the text of uploaded pages that have none, such as auto
DEBUG_VARIABLE = "COLVISION_DEBUG"  # of the command: set to anything, errors come with their traceback
INSTRUCTIONS_VARIABLE = "COLVISION_INSTRUCTIONS"


def default_library() -> Path:
    """The folder of `COLVISION_LIBRARY`, else `colvision` in the user's data directory."""
    folder = os.environ.get(LIBRARY_VARIABLE)
    return Path(folder).expanduser() if folder else Path(platformdirs.user_data_dir("colvision", appauthor=False))

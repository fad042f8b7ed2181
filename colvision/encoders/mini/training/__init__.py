"""How mini's weights are made: `python -m colvision.encoders.mini.training --help`."""

"""A collection in somebody else's engine: its pages exported there, and the engine asked for candidates.

Each engine is one file, which alone imports that engine's own client library, and that when it is used.
"""

from colvision.engines.engine import Engine
from colvision.engines.export import ExportProgress, ExportReport, export_collection
from colvision.engines.opening import ENGINES, engine_in, open_engine

__all__ = ["ENGINES", "Engine", "ExportProgress", "ExportReport", "engine_in", "export_collection", "open_engine"]

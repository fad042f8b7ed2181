"""Find the page by looking at it: pages become patch vectors, MaxSim ranks them, a heatmap says why."""

__version__ = "0.1.0"

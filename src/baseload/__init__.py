"""baseload: own the base load, buy the peaks."""

__version__ = "0.1.0"

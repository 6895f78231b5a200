"""The version of chainrule."""

__version__ = "0.2.0"

"""dlw: a deep learning workbench for the command line. Import what you need from its rooms; nothing is re-exported."""

__version__ = "0.1.0"

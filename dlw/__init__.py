"""dlw: a deep learning workbench for the command line. Import what you need from its rooms; nothing is re-exported."""

import os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime reports sessions and machine to its makers and keeps a database in the home folder, unless
# this stands in the environment before its first import (github.com/microsoft/onnxruntime/pull/27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

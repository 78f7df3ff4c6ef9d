"""Loaded by pytest before Django's settings: the suite runs as development, whatever the shell says."""

import os

os.environ["DEBUG"] = "true"

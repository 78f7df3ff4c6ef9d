"""Loaded by pytest before Django's settings: the suite runs as development, whatever the shell says."""

import os

os.environ["DEBUG"] = "true"
# A busy machine is no reason to answer 9995.
os.environ["DATABASE_POOL_TIMEOUT_SECONDS"] = "60"

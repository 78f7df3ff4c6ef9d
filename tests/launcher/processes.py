"""Looking at processes from a test: waiting for things, and proving that nothing is left."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from launcher.configuration import PROJECT
from launcher.ending import is_gone

SERVICE_VARIABLES = ("DATABASE_URL", "CELERY_BROKER_URL")


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def clean_environment(**extra):
    """This process's environment without the services that the test run itself was given."""
    kept = {name: value for name, value in os.environ.items() if name not in SERVICE_VARIABLES}
    return {**kept, **{name: str(value) for name, value in extra.items()}}


def launch(*arguments, project=PROJECT, environment, output):
    """Start a launcher as a person at a terminal would; its words go to a file that the test can read."""
    with Path(output).open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "launcher", *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def mentioning(path):
    """Live processes that have to do with a directory: by command line, working directory or environment."""
    text = str(path)
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _mentions(process, text)]


def words_of(process):
    """Its command line; nothing of one that is gone by now, as a connection's process of the database may be."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _mentions(process, text):
    try:
        if is_gone(process):
            return False
        return (
            any(text in word for word in process.cmdline())
            or text in process.cwd()
            or any(text in value for value in process.environ().values())
        )
    except psutil.Error:
        return False

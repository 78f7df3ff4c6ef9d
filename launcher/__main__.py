"""python -m launcher: the command line behind the Makefile's run, serve, test and manage."""

import argparse
import sys

from launcher import commands, instance
from launcher.errors import LauncherError, StopRequested


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m launcher", description="Start the system, or run a command on its services."
    )
    kinds = top.add_subparsers(dest="kind", required=True, metavar="run|serve|with-services|manage")
    kinds.add_parser("run", help="everything with a demo: web, worker, beat, simulated CIS and head-end")
    kinds.add_parser("serve", help="web, worker and beat, configured by the environment and .env")
    wrapped = kinds.add_parser(
        "with-services", help="run a command on throw-away services: with-services -- COMMAND ..."
    )
    wrapped.add_argument("--durable", action="store_true", help="a database that keeps its promises, for measuring")
    wrapped.add_argument("words", nargs="*", metavar="-- COMMAND ...")
    managed = kinds.add_parser("manage", help="run manage.py on the lasting services: manage COMMAND ...")
    managed.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    return top


def main() -> int:
    arguments = parser().parse_args()
    if arguments.kind in ("run", "serve"):
        return instance.run(with_demo=arguments.kind == "run")
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if arguments.kind == "manage":
        return commands.manage(words)
    if not words:
        parser().error("with-services needs a command")
    return commands.with_services(words, durable=arguments.durable)


def guarded_main() -> int:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        return main()
    except LauncherError as error:
        print(f"launcher: {error}", file=sys.stderr)
        return error.status
    except StopRequested:
        return 130


if __name__ == "__main__":
    sys.exit(guarded_main())

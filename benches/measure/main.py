"""Runs the subjects one after the other and prints what was measured as a table."""

import importlib
import sys

import table
from system import System

SUBJECTS = ("start", "changed", "first", "nothing", "image", "follow", "hundred")


def main(chosen):
    unknown = set(chosen) - set(SUBJECTS)
    if unknown:
        sys.exit(f"there is no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    rows = []
    with System() as system:
        for name in (subject for subject in SUBJECTS if not chosen or subject in chosen):
            print(f"measuring {name}", file=sys.stderr, flush=True)
            rows += importlib.import_module(name).measure(system)
    print(table.markdown(rows))
    if not chosen:
        table.write_page(rows)


main(sys.argv[1:])

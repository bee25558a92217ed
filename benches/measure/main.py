"""Runs the subjects one after the other prints what was measured, and keeps all of it on the page."""

import importlib
import sys

import table
from system import System

SUBJECTS = ("start", "changed", "first", "nothing", "image", "follow", "hundred", "api", "deliveries")


def main(chosen):
    unknown = set(chosen) - set(SUBJECTS)
    if unknown:
        sys.exit(f"there is no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    rows = []
    with System() as system:
        for name in (subject for subject in SUBJECTS if not chosen or subject in chosen):
            print(f"measuring {name}", file=sys.stderr, flush=True)
            for row in importlib.import_module(name).measure(system):
                print(" | ".join(row.cells()), flush=True)
                rows.append(row)
    if not chosen:
        table.write_page(rows)


main(sys.argv[1:])

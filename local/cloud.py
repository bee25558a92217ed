"""Starts the AWS API emulator (ministack) with what it lacks: see emulator/."""

import logging

from ministack import app

import emulator

if __name__ == "__main__":
    logging.getLogger("kafka").setLevel(logging.WARNING)
    emulator.extend()
    app.main()

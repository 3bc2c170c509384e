"""Runs the local AWS for as long as whoever started it lives.

Standard input is a pipe that the starter holds and never writes to. When it closes, however the starter ended, this
process and every function process it started are killed: they are one process group, and this process leads it.
"""

import os
import signal
import sys
import threading

if os.getpgrp() != os.getpid():
    sys.exit("not the leader of a process group")


def watch():
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
sys.argv = ["ministack"]

from ministack.app import main

main()

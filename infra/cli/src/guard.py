"""Runs the local AWS until its parent process ends.

Standard input is a pipe that the parent holds and never writes to. The pipe closes when the parent ends for any reason. Then
this process kills its process group, which includes every function process.
"""

import os
import signal
import sys
import threading

if os.getpgrp() != os.getpid():
    sys.exit("this process must be the leader of a process group")


def watch():
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
sys.argv = ["ministack"]

from ministack.app import main

main()

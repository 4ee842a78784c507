"""The process in which the program that a user uploaded runs: it shuts itself in, then plays.

python -P -m coldplate.workers.guest --channel 5 --parent 4711 --data /srv/coldplate
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from coldplate.errors import ProgramNotRun
from coldplate.programs.channel import Channel
from coldplate.programs.uploaded import play
from coldplate.workers import sandbox
from coldplate.workers.lockdown import lock_down


def main(arguments: list[str]) -> None:
    """Shut this process in, or say why it can't be; then run what the job says."""
    parser = argparse.ArgumentParser(prog="coldplate.workers.guest")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket to the job")
    parser.add_argument("--parent", type=int, required=True, help="process id of the job")
    parser.add_argument("--data", type=Path, required=True, help="directory of the service's data")
    args = parser.parse_args(arguments)
    sandbox.die_with(args.parent)
    os.environ["QISKIT_IN_PARALLEL"] = "TRUE"  # so that Qiskit starts no threads and no processes
    with socket.socket(fileno=args.channel) as stream:
        channel = Channel(stream)
        try:
            lock_down(forbidden=args.data)
        except ProgramNotRun as error:
            channel.say({"end": "not run", "why": error.message})
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        play(channel)
        os._exit(0)  # nothing of the program comes after its end


if __name__ == "__main__":
    main(sys.argv[1:])

"""A supervisor as systemd is one: opens sockets once, passes them to each process that it starts (sd_listen_fds(3)).

Arguments: names, separated by colons, one for each socket; the command. Writes the ports, then reads orders, a line each:
`start`, or `stop`, which sends SIGTERM, waits, and writes the exit status.
"""
import json
import os
import signal
import socket
import sys

names, command = sys.argv[1].split(":"), sys.argv[2:]
sockets = []
for _ in names:
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(128)
    sockets.append(s)
print(json.dumps({name: s.getsockname()[1] for name, s in zip(names, sockets)}), flush=True)

child = None
for order in sys.stdin:
    if order.strip() == "start":
        child = os.fork()
        if child == 0:
            high = [os.dup(s.fileno()) for s in sockets]
            # Above 2, below whatever is copied: the places may be taken by the originals.
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
            os.execv(command[0], command)
    elif child is not None:
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        child = None
        print(os.waitstatus_to_exitcode(status), flush=True)
if child is not None:
    os.kill(child, signal.SIGKILL)

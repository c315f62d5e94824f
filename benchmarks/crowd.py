"""A crowd of clients in one process that costs little: raw sockets, one new connection a request; it tells how late it was itself.

    python benchmarks/crowd.py PORT REQUEST_FILE --clients 100 --seconds 60 [--pause 0.2]

Every client sends the bytes of the file, reads until the server closes, and asks again: at once after an answer, after `--pause` seconds
where it was refused. Prints JSON: the seconds of each answer by its status, and how late the crowd itself woke from its pauses: what it
measures of the server is not finer than that.
"""

import argparse
import heapq
import json
import selectors
import socket
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

REFUSED = 429


@dataclass(eq=False)
class Crowd:
    """Clients that wait (`pauses`: by when each asks again), and those that were sent out."""

    port: int
    request: bytes
    pause: float
    end: float
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    late: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        """Until the end, and until the last has its answer."""
        while True:
            now = time.monotonic()
            while self.pauses and self.pauses[0] <= now:
                self.late.append(now - heapq.heappop(self.pauses))
                if now < self.end:
                    self.ask()
            if not self.selector.get_map() and not self.pauses:
                return
            for key, _ in self.selector.select(self.pauses[0] - now if self.pauses else None):
                key.data(key.fileobj)

    def ask(self) -> None:
        """One client goes out."""
        began, told = time.monotonic(), bytearray()
        link = socket.socket()
        link.setblocking(False)
        link.connect_ex(("127.0.0.1", self.port))

        def connected(link: socket.socket) -> None:
            try:
                link.sendall(self.request)  # a kilobyte: it fits into the socket's buffer
            except OSError:
                over(link)
            else:
                self.selector.modify(link, selectors.EVENT_READ, readable)

        def readable(link: socket.socket) -> None:
            try:
                data = link.recv(65_536)
            except OSError:
                data = b""
            told.extend(data)
            if not data:
                over(link)

        def over(link: socket.socket) -> None:
            self.selector.unregister(link)
            link.close()
            now, status = time.monotonic(), int(told[9:12]) if told[:5] == b"HTTP/" else 0
            self.seconds[status].append(round(now - began, 4))
            heapq.heappush(self.pauses, now + (0.0 if status == 200 else self.pause))

        self.selector.register(link, selectors.EVENT_WRITE, connected)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A crowd of clients.")
    parser.add_argument("port", type=int)
    parser.add_argument("request", type=Path)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.2, help="before a refused client comes again")
    args = parser.parse_args()
    crowd = Crowd(args.port, args.request.read_bytes(), args.pause, time.monotonic() + args.seconds)
    for _ in range(args.clients):
        crowd.ask()
    crowd.run()
    print(json.dumps({"seconds": crowd.seconds, "late": [round(value, 4) for value in crowd.late]}))


if __name__ == "__main__":
    main()

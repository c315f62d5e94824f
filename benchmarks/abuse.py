"""A server treated badly, measured: too many clients, clients that leave, that are slow, that lie, that send bombs; and its end.

    python benchmarks/abuse.py [MODEL] [--seconds 60] [--clients 100] [--only load,leave,slow,bombs,raw,doors,end]

MODEL answers questions about pictures, sounds and clips (runs/four-senses if not said). Each part starts a server of its own; writes
runs/abuse/report.json. Clients run in this process, on the same cores as the server.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import hostile

from duomo.report import Report, save

OUT = Path("runs/abuse")
ROWS, WAITING = 4, 6  # a capacity of ten
KEY = "abuse-0123456789-abcdefghij-KLMNOP"
MIB = 2**20


@dataclass
class Server:
    """A server's process, and where it listens."""

    process: "subprocess.Popen[str]"
    port: int
    name: str

    @property
    def bytes(self) -> int:
        """What it holds in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Said:
    """An answer: its status, its body, the seconds that it took; status 0: the connection was closed."""

    status: int
    body: bytes = b""
    seconds: float = 0.0
    events: list[str] = field(default_factory=list)


@contextlib.contextmanager
def server(model: str, *more: str) -> Iterator[Server]:
    """A new one, which has answered once."""
    words = [sys.executable, "-m", "duomo", "serve", model, "--port", "0", "--rows", str(ROWS), "--waiting", str(WAITING), *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    told = process.stdout.readline()
    found = re.search(r"serving (\S+) at http://\S+:(\d+)/v1", told)
    if found is None:
        raise ValueError(f"{model}: the server did not start ({told.strip()})")
    made = Server(process, int(found[2]), found[1])
    try:
        asyncio.run(chat(made, 2))
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def head(method: str, path: str, size: int | None = None, **more: str) -> bytes:
    """A request's head; names of headers with _ for -."""
    lines = {"Host": "localhost", "Authorization": f"Bearer {KEY}", "Connection": "close"}
    lines |= {} if size is None else {"Content-Type": "application/json", "Content-Length": str(size)}
    lines |= {name.replace("_", "-"): value for name, value in more.items()}
    return "\r\n".join((f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", "")).encode()


async def send(at: Server, data: bytes) -> Said:
    """Everything that comes back until the connection is closed."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(data)
        told = await reader.read(-1)
        writer.close()
    except OSError:
        return Said(0, seconds=time.monotonic() - began)
    first, _, rest = told.partition(b"\r\n\r\n")
    return Said(int(first[9:12]) if first[:5] == b"HTTP/" else 0, rest, time.monotonic() - began)


def asking(at: Server, tokens: int, stream: bool = False, content: object = "what is this?") -> bytes:
    """A chat's request."""
    asked = {"model": at.name, "messages": [{"role": "user", "content": content}], "max_tokens": tokens, "stream": stream}
    body = json.dumps(asked | {"repetition_penalty": 1.3}).encode()
    return head("POST", "/v1/chat/completions", len(body)) + body


async def chat(at: Server, tokens: int, content: object = "what is this?") -> Said:
    """One answer."""
    return await send(at, asking(at, tokens, content=content))


async def gauges(at: Server) -> dict[str, float]:
    """What the queue tells of itself."""
    text = (await send(at, head("GET", "/metrics"))).body.decode()
    return {name: float(value) for name, value in re.findall(r'^duomo_queue_(\w+)\{model="[^"]*"\} (\S+)', text, re.MULTILINE)}


async def quiet(at: Server, seconds: float = 10) -> bool:
    """Whether nothing runs and nothing waits, soon."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = await gauges(at)
        if not told["running"] and not told["waiting"]:
            return True
        await asyncio.sleep(0.05)
    return False


def share(values: Sequence[float], part: float) -> float | None:
    """A quantile."""
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 3) if values else None


async def load(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Ten times as many clients as there is room for; who is refused comes again after a fifth of a second."""
    before, said, end = at.bytes, list[Said](), time.monotonic() + args.seconds

    async def client() -> None:
        while time.monotonic() < end:
            said.append(await chat(at, 16))
            await asyncio.sleep(0.2 if said[-1].status == 429 else 0)

    await asyncio.gather(*(client() for _ in range(args.clients)))
    refused = [one.seconds for one in said if one.status == 429]
    answered = [one.seconds for one in said if one.status == 200]
    return {
        "statuses": dict(Counter(str(one.status) for one in said)),
        "5xx": sum(one.status >= 500 for one in said),
        "429 seconds p50, p99": [share(refused, 0.5), share(refused, 0.99)],
        "200 seconds p50, p99": [share(answered, 0.5), share(answered, 0.99)],
        "quiet after": await quiet(at),
        "memory MiB before, after": [round(before / MIB), round(at.bytes / MIB)],
        "memory after / before": round(at.bytes / before, 3),
    }


async def leave(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """A hundred clients that go away: while they send, while they wait, while they are answered, at the end."""
    data, random, extra, leaked = asking(at, 200, stream=True), Random(0), list[float](), 0
    for number in range(100):
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        phase = number % 5
        writer.write(data[: len(data) // 2] if phase == 0 else data)
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
            if phase == 1:
                await asyncio.sleep(random.random() * 0.02)
            elif phase > 1:
                await asyncio.wait_for(reader.readuntil(b"data: "), 20)
                for _ in range(phase * 3 if phase < 4 else 0):
                    await asyncio.wait_for(reader.readuntil(b"\n\n"), 20)
        writer.transport.abort()
        gone = (await gauges(at))["turns"]  # the server has read of its going when it answers this
        leaked += not await quiet(at)
        extra.append((await gauges(at))["turns"] - gone)
    return {"clients": 100, "leaked": leaked, "steps after the next answer: most": max(extra), "mean": round(sum(extra) / len(extra), 2)}


async def slow(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Fifty connections that send a byte a second, or nothing."""
    starts = (b"", b"GET /health HTTP/1.1\r\nHost: local", head("POST", "/v1/chat/completions", 9999), head("GET", "/health", 9999), b"P")

    async def one(start: bytes) -> float:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(start)
        while time.monotonic() - began < 30:
            with contextlib.suppress(TimeoutError):
                try:
                    if not await asyncio.wait_for(reader.read(65_536), 1):
                        break
                except ConnectionError:
                    break
            writer.write(b"a" if start else b"")
        writer.close()
        return time.monotonic() - began

    ends = await asyncio.gather(*(one(starts[number % len(starts)]) for number in range(50)))
    return {"sockets": len(ends), "seconds most": round(max(ends), 1), "open after 15 s": sum(end > 15 for end in ends)}


async def bombs(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Pictures, sounds, clips and bodies that would become far more than they are."""
    kinds, said, before, most = hostile.bombs(), list[tuple[str, Said]](), at.bytes, 0
    for name, content in kinds:
        said.append((name, await chat(at, 2, content)))
        most = max(most, at.bytes)
    answered = {name: one.status for name, one in said if not 400 <= one.status < 500}
    return {
        "bombs": len(said),
        "not 4xx": answered,
        "seconds of the slowest": {name: round(one.seconds, 2) for name, one in sorted(said, key=lambda pair: -pair[1].seconds)[:4]},
        "growth MiB": round((most - before) / MIB),
        "still answers": (await chat(at, 2)).status,
    }


async def raw(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Five hundred bodies that are no requests, or strange ones, at every route that reads JSON."""
    routes = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
    bodies = hostile.bodies(500, at.name)
    said = [await send(at, head("POST", routes[number % 3], len(body)) + body) for number, body in enumerate(bodies)]
    statuses = Counter(one.status for one in said)
    return {
        "bodies": len(said),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "5xx or closed": sum(one.status >= 500 or not one.status for one in said),
        "still answers": (await chat(at, 2)).status,
    }


async def doors(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Forty combinations of Host, Origin and Content-Type, with what each must give."""
    asked, wrong = {"model": at.name, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}, list[object]()
    body = json.dumps(asked).encode()
    combinations = hostile.doors(at.port)
    for headers, wanted in combinations:
        said = await send(at, head("POST", "/v1/chat/completions", len(body), **headers) + body)
        if said.status != wanted:
            wrong.append([headers, said.status, wanted])
    return {"combinations": len(combinations), "wrong": wrong}


async def end(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """SIGTERM while twenty streams are open: half of them are written, half of them wait."""

    async def stream() -> AsyncIterator[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(asking(at, 200, stream=True))
        while line := await reader.readline():
            yield line.decode().strip()
        writer.close()

    async def last(lines: AsyncIterator[str]) -> str:
        told = [line async for line in lines if line.startswith(("data: ", "HTTP/"))]
        return told[-1] if told else ""

    ends = [asyncio.ensure_future(last(stream())) for _ in range(20)]
    await asyncio.sleep(1)
    began = time.monotonic()
    at.process.send_signal(signal.SIGTERM)
    told = Counter(map(kind_of, await asyncio.gather(*ends)))
    code = await asyncio.to_thread(at.process.wait, 30)
    return {"streams": 20, "ends": dict(told), "seconds": round(time.monotonic() - began, 1), "exit code": code}


def kind_of(last: str) -> str:
    """How a stream ended."""
    return "[DONE]" if last == "data: [DONE]" else "an error event" if '"error"' in last else last[:40] or "nothing"


Part = Callable[[Server, argparse.Namespace], Awaitable[dict[str, object]]]
PARTS: dict[str, tuple[Part, tuple[str, ...]]] = {
    "load": (load, ()),
    "leave": (leave, ()),
    "slow": (slow, ()),
    "bombs": (bombs, ()),
    "raw": (raw, ()),
    "doors": (doors, ("--key", KEY, "--host-name", "mine.example", "--origin", "https://mine.example")),
    "end": (end, ("--rows", "10", "--waiting", "20", "--drain", "2")),
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A server treated badly, measured.")
    parser.add_argument("model", nargs="?", default="runs/four-senses")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=10 * (ROWS + WAITING))
    parser.add_argument("--only", default=",".join(PARTS))
    args = parser.parse_args()
    facts: dict[str, object] = {}
    for name in args.only.split(","):
        part, more = PARTS[name]
        with server(args.model, *more) as at:
            facts[name] = asyncio.run(part(at, args))  # type: ignore[arg-type]
        print(name, json.dumps(facts[name], ensure_ascii=False), flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    save(Report(f"abuse {args.model}", facts=facts), OUT / "report.json")


if __name__ == "__main__":
    main()

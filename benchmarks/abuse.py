"""A server treated badly, measured: too many clients, clients that leave, that are slow, that lie, that send bombs; and its end.

    python benchmarks/abuse.py [MODEL] [--seconds 60] [--clients 100] [--leavers 120] [--only load,leave,slow,bombs,raw,doors,end]

MODEL answers questions about pictures, sounds and clips (runs/four-senses if not said). Each part starts a server of its own; writes
runs/abuse/report.json. Clients run on the same cores as the server; the hundred of the first part in a process of their own (crowd.py).
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
from tempfile import TemporaryDirectory

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
    words = [sys.executable, "-m", "duomo", "serve", model, "--no-page", "--port", "0"]
    words += ["--rows", str(ROWS), "--waiting", str(WAITING), *more]
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
    """Ten times as many clients as there is room for; who is refused comes again after a fifth of a second.

    First as many as there are rows, so that what the crowd costs the answers is seen.
    """
    few = await crowd(at, ROWS, min(10.0, args.seconds))
    before = at.bytes
    many = await crowd(at, args.clients, args.seconds)
    refused, answered = many.seconds.get("429", []), many.seconds.get("200", [])
    return {
        "statuses": {status: len(values) for status, values in many.seconds.items()},
        "5xx": sum(len(values) for status, values in many.seconds.items() if int(status) >= 500),
        "429 seconds p50, p99, most": [share(refused, 0.5), share(refused, 0.99), share(refused, 1)],
        "429 by the server's own clock, share within 0.1 s, 0.2 s": await within(at, 0.1, 0.2),
        "the crowd itself late p99, most": [share(many.late, 0.99), share(many.late, 1)],
        "200 seconds p50, p99": [share(answered, 0.5), share(answered, 0.99)],
        f"tokens a second, {ROWS} clients and {args.clients}": [round(few.speed, 1), round(many.speed, 1)],
        "quiet after": await quiet(at),
        "memory MiB before, after": [round(before / MIB), round(at.bytes / MIB)],
        "memory after / before": round(at.bytes / before, 3),
        "load of the machine": round(os.getloadavg()[0], 1),
    }


@dataclass(frozen=True)
class Crowded:
    """What a crowd saw, and how many tokens a second the server wrote meanwhile."""

    seconds: dict[str, list[float]]
    late: list[float]
    speed: float


async def crowd(at: Server, clients: int, seconds: float) -> Crowded:
    """Clients of a process of their own, which costs little."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "request")
        file.write_bytes(asking(at, 16))
        words = [sys.executable, str(Path(__file__).with_name("crowd.py")), str(at.port), str(file)]
        words += ["--clients", str(clients), "--seconds", str(seconds)]
        before, began = (await gauges(at))["tokens"], time.monotonic()
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        told, _ = await process.communicate()
        said = (await gauges(at))["tokens"] - before
    return Crowded(**json.loads(told), speed=said / (time.monotonic() - began))


async def within(at: Server, *bounds: float) -> list[float | None]:
    """The shares of refused chats that the server answered within so many seconds, by its own histogram."""
    text = (await send(at, head("GET", "/metrics"))).body.decode()
    told = re.findall(r'^duomo_request_seconds_bucket\{le="([^"]+)",route="/v1/chat/completions",status="429"\} (\S+)', text, re.MULTILINE)
    counts = {float(bound): float(count) for bound, count in told}
    return [round(counts[bound] / counts[float("inf")], 4) if counts else None for bound in bounds]


LEAVING: dict[str, tuple[int, int]] = {  # words of the question, and events that are read before the client goes; -1: none, it goes at once
    "half a body": (4, -1),
    "prompt being read": (300, -1),
    "first token": (4, 1),
    "in the middle": (4, 8),
    "at the end": (4, 16),
}


async def leave(at: Server, args: argparse.Namespace) -> dict[str, object]:
    """Clients that go away in every phase of an answer of 17 tokens, each alone; then some that wait behind full rows."""
    random, each, found = Random(0), args.leavers // (len(LEAVING) + 1), dict[str, object]()
    for phase, (words, events) in LEAVING.items():
        extra, leaked, data = list[float](), 0, asking(at, 17, True, "word " * words)
        for _ in range(each):
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(data[: len(data) // 2] if phase == "half a body" else data)
            if events < 0:
                await asyncio.sleep(random.random() * 0.3)
            with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
                for _ in range(events):
                    await asyncio.wait_for(reader.readuntil(b"\n\n"), 20)
            writer.transport.abort()
            gone = (await gauges(at))["turns"]  # the server has read of its going when it answers this
            leaked += not await quiet(at)
            extra.append((await gauges(at))["turns"] - gone)
        found[phase] = {"clients": each, "leaked": leaked, "steps after: most, mean": [max(extra), round(sum(extra) / each, 2)]}
    return found | {"waiting behind full rows": await leave_line(at, each)}


async def leave_line(at: Server, count: int) -> dict[str, object]:
    """Clients that go while they wait: the line must be empty again before a row is."""
    links = [await asyncio.open_connection("127.0.0.1", at.port) for _ in range(ROWS)]
    for _, writer in links:
        writer.write(asking(at, 2000, stream=True))
    end = time.monotonic() + 30
    while (await gauges(at))["running"] < ROWS:
        if time.monotonic() > end:
            raise SystemExit("this model ends its answers before its rows are full: give one that writes on, such as smollm2")
        await asyncio.sleep(0.02)
    left = 0
    for _ in range(count):
        _, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(asking(at, 17, stream=True))
        while not (await gauges(at))["waiting"]:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        end = time.monotonic() + 1
        while (waiting := (await gauges(at))["waiting"]) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        left += waiting > 0
    running = (await gauges(at))["running"]
    for _, writer in links:
        writer.transport.abort()
    return {"clients": count, "still in line after a second": left, "rows then": running, "leaked": not await quiet(at)}


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
    parser.add_argument("--leavers", type=int, default=120)
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

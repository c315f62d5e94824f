"""A live server with small models, driven by the official client and by the lines of the manual."""

import base64
import contextlib
import io
import json
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from duomo.commands import serve
from duomo.commands.describe_test import lay
from duomo.commands.models import keep
from duomo.commands.resolve import resolve_model
from duomo.interchange import Card
from duomo.interchange.format import Outside
from duomo.modalities.audio import to_wav
from duomo.serve.routes import ROUTES
from duomo.tokenizer import PLAIN
from duomo.vectors_test import RECIPE, Model, redrawn, words
from tests import hearing, own, small

for library in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "llguidance"):
    pytest.importorskip(library)
openai = pytest.importorskip("openai")
KEY = "qN3v-8Zt_Lw0rXy5Pb2KdMfHsUeGcJaT"
MANUAL = own.ROOT / "docs" / "serve.md"
NAMES = ("smollm2", "four-senses", "e5", "whisper-base")
ANSWERS = {"max_tokens": 12}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: small models under the names that the manual uses, a picture, a recording, a key."""
    folder = tmp_path_factory.mktemp("served")
    for name in NAMES[:2]:
        lay(folder / "runs", name, tuple(small.CUTS))
    card = Card("small", prefixes={"query": "query: ", "passage": "passage: "}, longest=12)
    keep(Outside(RECIPE, redrawn(Model(RECIPE, {})).state_dict(), words(), "bert", card), folder / "cache" / "models" / "e5")
    ears = hearing.whisper()
    keep(Outside(ears.recipe, ears.state_dict(), hearing.tokenizer(), PLAIN, Card("Whisper")), folder / "cache" / "models" / "whisper-base")
    (folder / "photo.png").write_bytes(small.media("image", 1))
    (folder / "speech.wav").write_bytes(to_wav(np.sin(np.arange(4_000) / 9).astype(np.float32) / 2))
    (folder / "keys").write_text(f"{KEY}\n")
    return folder


@contextlib.contextmanager
def started(house, *more):
    """The process, and the address at which it serves."""
    process = own.start(house, "serve", *NAMES, "--port", "0", *more)
    told = process.stdout.readline()
    try:
        yield process, re.search(r"http://\S+?/v1", told)[0]
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and out == "ended\n", (told, out, err)
        assert KEY not in err and "Traceback" not in err


@pytest.fixture(scope="module")
def address(house):
    """Of a server in this process, for a new one would load everything anew."""
    from tests.served import serving

    with own.inside(house):
        offers = [serve.offer(resolve_model(name).resolve(), name, serve.Settings()) for name in NAMES]
    with serving(offers=offers) as port:
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def client(address):
    return openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=180)


def asked(*content):
    return [{"role": "user", "content": list(content)}]


def said(text):
    return {"type": "text", "text": text}


def coded(kind, number):
    return base64.b64encode(small.media(kind, number)).decode()


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == list(NAMES)
    assert client.models.retrieve("e5").owned_by == "duomo"
    with pytest.raises(openai.NotFoundError, match="did you mean"):
        client.chat.completions.create(model="smolm2", messages=asked(said("a")))


def test_a_stream_says_what_is_said_at_once(client):
    for question in ("what is it?", "这是什么？", "the cat sat"):
        whole = client.chat.completions.create(model="smollm2", messages=asked(said(question)), **ANSWERS)
        events = list(
            client.chat.completions.create(
                model="smollm2", messages=asked(said(question)), stream=True, stream_options={"include_usage": True}, **ANSWERS
            )
        )
        assert "".join(event.choices[0].delta.content or "" for event in events if event.choices) == whole.choices[0].message.content
        assert [e.choices[0].finish_reason for e in events if e.choices and e.choices[0].finish_reason] == [whole.choices[0].finish_reason]
        assert events[-1].usage == whole.usage and whole.usage.completion_tokens <= ANSWERS["max_tokens"]
        assert events[0].choices[0].delta.role == "assistant"


def test_several_answers_differ_and_a_seed_repeats_them(client):
    ask = {"model": "smollm2", "messages": asked(said("what is it?")), "n": 3, "temperature": 1.0, "seed": 7, **ANSWERS}
    first, again = (client.chat.completions.create(**ask) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices] and len(set(texts)) == 3
    streamed = ["", "", ""]
    for event in client.chat.completions.create(**ask, stream=True):
        streamed[event.choices[0].index] += event.choices[0].delta.content or ""
    assert streamed == texts


def test_log_probabilities_are_told(client):
    told = client.chat.completions.create(model="smollm2", messages=asked(said("a")), logprobs=True, top_logprobs=3, **ANSWERS)
    content = told.choices[0].logprobs.content
    assert len(content) == told.usage.completion_tokens - (told.choices[0].finish_reason == "stop")
    for token in content:
        tops = [one.logprob for one in token.top_logprobs]
        assert len(tops) == 3 and tops == sorted(tops, reverse=True) and token.logprob == tops[0] <= 0
    assert b"".join(bytes(token.bytes) for token in content).decode(errors="replace").startswith(told.choices[0].message.content[:5])


def test_a_stop_ends_an_answer(client):
    whole = client.chat.completions.create(model="smollm2", messages=asked(said("what is it?")), **ANSWERS).choices[0].message.content
    stop = whole[len(whole) // 2 :][:2]
    cut = client.chat.completions.create(model="smollm2", messages=asked(said("what is it?")), stop=stop, **ANSWERS).choices[0]
    assert cut.message.content == whole[: whole.index(stop)] and cut.finish_reason == "stop"


def test_every_sense_is_seen(client):
    kinds = {
        "image": lambda n: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{coded('image', n)}"}},
        "video": lambda n: {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{coded('video', n)}"}},
        "audio": lambda n: {"type": "input_audio", "input_audio": {"data": coded("audio", n), "format": "wav"}},
    }
    for part in kinds.values():
        answers = {
            client.chat.completions.create(model="four-senses", messages=asked(part(n), said("which letter?")), **ANSWERS)
            .choices[0]
            .message.content
            for n in range(4)
        }
        assert len(answers) > 1, "the answer depends on what is shown"


SCHEMA = {
    "type": "object",
    "properties": {"animal": {"enum": ["cat", "狗"]}, "legs": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}


def test_structured_answers_are_of_their_schema(client):
    form = {"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA, "strict": True}}
    for seed in range(3):
        told = client.chat.completions.create(
            model="smollm2", messages=asked(said("a cat or a dog?")), response_format=form, temperature=1.5, seed=seed, max_tokens=60
        )
        answer = json.loads(told.choices[0].message.content)
        assert answer["animal"] in ("cat", "狗") and 0 <= answer["legs"] <= 9 and told.choices[0].finish_reason == "stop"


def test_texts_go_on(client):
    told = client.completions.create(model="smollm2", prompt=["the cat", "我喜欢"], max_tokens=8, logprobs=2)
    assert len(told.choices) == 2 and told.choices[0].text != told.choices[1].text
    assert len(told.choices[0].logprobs.tokens) == len(told.choices[0].logprobs.top_logprobs)
    ids = client.completions.create(model="smollm2", prompt=small.tokenizer().encode("the cat"), max_tokens=8)
    assert ids.usage.prompt_tokens < told.usage.prompt_tokens, "raw ids are read as they are"
    with pytest.raises(openai.BadRequestError, match="ids of the model's tokens"):
        client.completions.create(model="smollm2", prompt=[small.tokenizer().special["<|image|>"]])


def test_vectors_are_the_same_as_numbers_and_coded(client):
    texts = ["the cat sat", "a dog", "the mat"]
    plain = np.array([one.embedding for one in client.embeddings.create(model="e5", input=texts, encoding_format="float").data], np.float32)
    coded = np.array([one.embedding for one in client.embeddings.create(model="e5", input=texts).data], np.float32)  # base64, unasked
    assert np.array_equal(plain, coded) and np.allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-6)
    query = client.embeddings.create(model="e5", input=texts[0], extra_body={"input_type": "query"}).data[0].embedding
    assert not np.allclose(query, plain[0])


def test_recordings_are_written_down_in_every_form(client, house):
    def heard(form, **more):
        with (house / "speech.wav").open("rb") as file:
            return client.audio.transcriptions.create(model="whisper-base", file=file, response_format=form, **more)

    plain, told = heard("json"), heard("verbose_json")
    assert plain.text and plain.text == told.text == heard("text").strip() and told.segments
    assert " --> " in heard("srt") and heard("vtt").startswith("WEBVTT")
    with (house / "speech.wav").open("rb") as file:
        assert client.audio.translations.create(model="whisper-base", file=file).text
    with pytest.raises(openai.BadRequestError, match="no language 'xx'"):
        heard("json", language="xx")
    with pytest.raises(openai.BadRequestError, match="prompt"):
        heard("json", prompt="words")


WRONG = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nonsense"}}}}, "response_format"),
    ({"messages": asked(said("word " * 3000))}, None),
    ({"messages": asked({"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}})}, "messages[0].content[0]"),
    ({"messages": asked({"type": "image_url", "image_url": {"url": "/etc/passwd"}})}, "messages[0].content[0]"),
    ({"model": "whisper-base"}, "model"),
    ({"model": "e5"}, "model"),
    ({"max_tokens": 100_000}, "max_tokens"),
    ({"n": 99}, "n"),
]


@pytest.mark.parametrize(("more", "param"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_one_line_with_its_field(more, param, client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**({"model": "smollm2", "messages": asked(said("a"))} | more))
    assert caught.value.param == param and "\n" not in caught.value.body["message"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", MANUAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_lines_of_the_manual_work(house, address):
    place = address.removesuffix("/v1")
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("curl") and "127.0.0.1" in line]
    assert len(lines) >= 7
    for line in lines:
        ran = subprocess.run(
            ["bash", "-c", line.replace("http://127.0.0.1:8000", place).replace("curl", "curl -sS --fail-with-body", 1)],
            cwd=house, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert ran.returncode == 0 and ran.stdout, (line, ran.stdout, ran.stderr)
    code = "\n".join(blocks("python")).replace("http://127.0.0.1:8000", place)
    told = io.StringIO()
    with own.inside(house), contextlib.redirect_stdout(told):
        exec(compile(code, str(MANUAL), "exec"), {})
    assert told.getvalue().count("\n") >= 2


@pytest.mark.parametrize("page", [MANUAL, MANUAL.parent / "zh" / MANUAL.name], ids=["en", "zh"])
def test_the_manual_names_every_route_with_its_access(page):
    rows = dict(re.findall(r"^\| `(/\S*)` \| (\S+) \|", page.read_text(encoding="utf-8"), re.MULTILINE))
    access = {"yes": "key", "no": "open", "page": "page", "要": "key", "不要": "open", "页面": "page"}
    known = {r.path.replace(":path", ""): r.access for r in ROUTES if r.handler or r.path == "/"}  # the page's own are nobody else's
    assert {path: access[told] for path, told in rows.items()} == known


def test_a_key_is_wanted_where_there_is_one_and_running_streams_end_in_good_order(house):
    with started(house, "--key-file", "keys", "--drain", "0.2") as (process, url):
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=url, api_key="wrong", max_retries=0).models.list()
        mine = openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=180)
        streams = [
            mine.chat.completions.with_streaming_response.create(
                model="smollm2", messages=asked(said(f"{n}")), stream=True, max_tokens=200, extra_body={"repetition_penalty": 1.5}
            )
            for n in range(20)
        ]
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(stream).iter_lines() for stream in streams]
            for lines in opened:
                next(lines)
            process.send_signal(signal.SIGTERM)
            ends = [[line for line in lines if line][-1] for lines in opened]
        assert ends == ["data: [DONE]"] * 20
        process.wait(120)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["smollm2", "--host", "0.0.0.0"], "wants a key"),
        (["smollm2", "--key", "short"], "--key: a key has at least 24"),
        (["smollm2", "--origin", "*"], "is no origin"),
        (["smollm2", "--memory", "0.00001"], "raise it"),
        (["smollm2", "--port", "1", "--host", "203.0.113.1", "--key", KEY], "can not listen there"),
        (["gone"], "no such model"),
    ],
)
def test_a_server_that_can_not_start_tells_why_in_one_line(words, told, house, capsys):
    assert own.duomo(house, "serve", *words) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and told in err and KEY not in err

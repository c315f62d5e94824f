"""Apply a model to files of one's own: each verb is a job that people come for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from duomo.cli.labelling import Labelling, Summing
from duomo.cli.program import EngineName, Int8, ModelName, Panel, grouped, show
from duomo.cli.translating import Translating
from duomo.commands.resolve import resolve_model

PANEL = Panel("Put a model to work")


@PANEL.verb("duomo classify e5 --labels good,bad reviews.txt")
@grouped
def classify(
    model: ModelName,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|TEXT…",
            show_default=False,
            help="A text a line, a table, JSON lines, a folder of texts; - reads.",
        ),
    ],
    labelling: Labelling,
) -> None:
    """Put texts under labels, from no example, a few, or many.

    An encoder of sentence vectors (`duomo fetch e5`: Chinese, English and more) is best, and learns from any number of examples. A model
    that answers ranks the labels as its answer, and is shown a few examples. Say what a label means:
    --labels "late=it came too late,broken=it does not work".
    """
    path = resolve_model(model)
    from duomo.commands import classify as command

    show(command.run(path, words, command.Wanted(**vars(labelling))))


@PANEL.verb("duomo comments reviews.csv --text comment --date day --topics price,delivery,quality")
@grouped
def comments(
    table: Annotated[Path, typer.Argument(metavar="TABLE", show_default=False, help="CSV, TSV, Parquet or JSON lines.")],
    summing: Summing,
    model: Annotated[str, typer.Option(help="What finds mood and topics; an encoder is fast.")] = "e5",
) -> None:
    """Sum up dated comments by topic and week, as a page with charts.

    How many, the share of good ones with its 95 % interval, the words that tell them apart, two quotes. The first of --labels counts as
    good; without labels, examples or a head the mood is guessed: label a few hundred comments and give them as --examples for shares to
    rely on.
    """
    path = resolve_model(model)
    from duomo.commands import comments as command

    show(command.run(path, table, command.Asked(**vars(summing))))


@PANEL.verb('duomo translate runs/translate "Save the file?" --to zh')
@grouped
def translate(
    model: ModelName,
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE|FOLDER|TEXT…", show_default=False, help="Texts, a table, a folder of texts; - reads the input."),
    ],
    translating: Translating,
) -> None:
    """Draft translations between English and Chinese, line by line, each with its confidence.

    A text keeps its lines, a table gets a column more. Placeholders as {name}, %s, %1 and <b> are kept, and where one is lost it is told.
    `duomo train translate` makes a model of software texts: drafts to be looked over, and poor ones of anything else.
    """
    path = resolve_model(model)
    from duomo.commands import translate as command

    show(command.run(path, words, command.Wanted(**vars(translating))))


@PANEL.verb("duomo index my-files")
def index(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", show_default=False, help="What is read: a folder with all below it, or one file.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="INDEX", show_default=False, help="Where the index goes; shelves/NAME if not said.")
    ] = None,
    model: Annotated[str, typer.Option(help="What makes the vectors: a fetched encoder; none: words alone, in seconds.")] = "e5",
) -> None:
    """Read a folder of files, so that questions find their answers in it.

    Text, Markdown, HTML, PDF, CSV, TSV, JSON lines; recordings and the sound of films where whisper-base is fetched. A second run reads
    only what changed.
    """
    from duomo.commands import shelf as command

    show(command.index(folder, to, model))


@PANEL.verb('duomo answer "when does it open?" --in my-files')
def answer(
    question: Annotated[str, typer.Argument(metavar="QUESTION", show_default=False, help="In any language that the encoder knows.")],
    place: Annotated[
        str, typer.Option("--in", metavar="INDEX", show_default=False, help="An index, its name, or the folder that it is of.")
    ],
    top: Annotated[int, typer.Option(min=1, help="How many quotes at most.")] = 3,
    lines: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="MODEL", show_default=False, help="Let a language model word it; quotes are right more often."),
    ] = None,
) -> None:
    """Answer from indexed files: the sentence that answers, quoted, with its file and line, page, row or second; or say that none does."""
    from duomo.commands import shelf as command

    show(command.answer(question, place, top, lines, write))


@PANEL.verb("duomo summarise report.pdf --sentences 5")
def summarise(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|FOLDER|-…", show_default=False, help="Texts, Markdown, HTML, PDF, tables, recordings; - reads."),
    ],
    model: Annotated[
        str | None,
        typer.Option(show_default=False, help="An encoder (e5 where it is fetched) compares by meaning; a language model words it; none."),
    ] = None,
    sentences: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 3,
    lang: Annotated[
        str | None,
        typer.Option(show_default=False, help="The language that a language model is asked in: en or zh; else that of the text."),
    ] = None,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines, one a file, with character offsets.")] = False,
    int8: Int8 = False,
    engine: EngineName = "torch",
) -> None:
    """Sum up texts: the sentences that stand for them best, quoted with their places; Chinese, English, any length.

    Without a model, or with --model none, words alone decide, in seconds. What a language model words may be wrong.
    """
    from duomo.commands import summarise as command
    from duomo.commands.engines import Speed

    show(command.run(files, model, command.Choices(sentences, lang, lines, Speed(int8, engine))))


@dataclass(frozen=True)
class Drawing:
    """How the next token is drawn, and how many."""

    tokens: Annotated[int, typer.Option(min=1, help="How many at most.")] = 128
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token; the higher, the more is dared.")] = 0.8
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Only the likeliest tokens that hold this share.")] = 0.95
    seed: Annotated[int, typer.Option(help="What is drawn follows from it.")] = 0


@PANEL.verb('duomo generate smollm2 "Once upon a time"')
@grouped
def generate(
    model: ModelName,
    beginning: Annotated[str, typer.Argument(metavar="BEGINNING|FILE|-", show_default=False, help="What goes on; - reads it.")],
    drawing: Drawing,
    count: Annotated[int, typer.Option(min=1, help="How many continuations.")] = 1,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines, with nats per token and how much is repeated.")] = False,
    int8: Int8 = False,
    engine: EngineName = "torch",
) -> None:
    """Go on with a text, without a conversation: as base models do.

    It is foreseen, not known: names, numbers and facts in it are often wrong.
    """
    path = resolve_model(model)
    from duomo.commands import generate as command
    from duomo.commands.engines import Speed
    from duomo.generate import Sampling

    sampling = Sampling(max_tokens=drawing.tokens, temperature=drawing.temperature, top_p=drawing.top_p, seed=drawing.seed)
    show(command.run(path, beginning, sampling, count, lines, Speed(int8, engine)))


@PANEL.verb("duomo describe runs/describe photo.jpg --lang zh")
def describe(
    model: ModelName,
    files: Annotated[list[Path], typer.Argument(metavar="PICTURE…|FOLDER", show_default=False, help="PNG, JPEG, WebP or GIF.")],
    lang: Annotated[str, typer.Option(help="The language of the question, and so of the answer: en or zh.")] = "en",
    question: Annotated[str | None, typer.Option(show_default=False, help="Ask this, and not what is there.")] = None,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
) -> None:
    """Say what is in pictures, by a run that sees.

    It names what it was taught, and nothing else: whatever it is shown, it calls one of these. `duomo demo describe` trains such a run.
    """
    path = resolve_model(model)
    from duomo.commands import describe as command

    show(command.run(path, files, lang, question, lines))


@PANEL.verb("duomo watch film.mp4 --model runs/describe --out watched")
def watch(
    files: Annotated[list[Path], typer.Argument(metavar="CLIP…|FOLDER", show_default=False, help="MP4, MOV, MKV, WebM or GIF.")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", show_default=False, help="Where to; beside each clip if not said.")] = None,
    model: Annotated[str | None, typer.Option(metavar="RUN", show_default=False, help="A run that sees, to describe key frames.")] = None,
    whisper: Annotated[str, typer.Option(help='A fetched Whisper, to write down what is said; "" for none.')] = "whisper-base",
    lang: Annotated[str, typer.Option(help="The language of descriptions: en or zh.")] = "en",
    lines: Annotated[bool, typer.Option("--json", help="Print JSON lines, one a clip.")] = False,
) -> None:
    """Find the shots of films, their key frames, and what is said.

    Writes CLIP.watch/ with key frames, watch.json, watch.md and watch.html, a page that opens offline. Films may be of any length.
    """
    eyes = resolve_model(model) if model else None
    from duomo.commands import watch as command

    show(command.run(files, command.Choices(out, eyes, whisper, lang, lines)))


@PANEL.verb('duomo find "a red car" --in watched')
def find(
    question: Annotated[str, typer.Argument(metavar="WORDS", show_default=False, help="What is looked for, in any language of the model.")],
    folder: Annotated[
        Path, typer.Option("--in", metavar="FOLDER|FILE", show_default=False, help="Watched films; or pictures; or a file of texts.")
    ],
    model: Annotated[str, typer.Option(help="A fetched encoder of sentences; for pictures a run that learned them with words.")] = "e5",
    count: Annotated[int, typer.Option("-k", min=1, help="How many places.")] = 5,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
) -> None:
    """Find where something is seen or said in films that were watched: clip, second, key frame.

    With a run that learned by contrast, as `duomo train emoji` makes one: the pictures of a folder by words or by a picture, and the
    lines of a file by a picture.
    """
    from duomo.commands import find as command

    show(command.run(question, folder, model, count, lines))


@PANEL.verb("duomo extract notes.txt --graph notes.ttl --html notes.html")
def extract(
    files: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|-…", show_default=False, help="Texts, folders of texts; - reads.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="RUN", show_default=False, help="A run that has learned names, as runs/entities: Chinese persons, places, …"),
    ] = None,
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines, one a file, with character offsets.")] = False,
    graph_file: Annotated[
        Path | None, typer.Option("--graph", metavar="TTL", show_default=False, help="Write the relations as RDF.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="PAGE", show_default=False, help="Write a page to look around in, offline.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Refuse more characters than these for a model.")] = 200_000,
) -> None:
    """Find names, dates, numbers, and who or what is what, in Chinese and English texts.

    Without a model: dates, numbers, money, addresses, and relations by the forms of encyclopedias: is a, born in, capital of, located in,
    founded by. With one, persons, places and organisations too. `duomo train entities` makes one.
    """
    path = resolve_model(model) if model else None
    from duomo.commands import extract as command

    show(command.run(files, path, command.Choices(lines, graph_file, page, limit)))


@PANEL.verb('duomo graph notes.ttl "who was born in Ulm?"')
def graph(
    file: Annotated[Path, typer.Argument(metavar="TTL", show_default=False, help="What `duomo extract --graph` wrote.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", show_default=False, help="In English or Chinese, of a known form.")] = "",
    about: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="All that is said of a name.")] = "",
    sparql: Annotated[str, typer.Option(metavar="QUERY", show_default=False, help="SELECT or ASK; ends after 8 seconds.")] = "",
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
) -> None:
    """Ask a graph of relations: each answer comes with the sentences that say it."""
    from duomo.commands import graph as command

    show(command.run(file, question, about, sparql, lines))

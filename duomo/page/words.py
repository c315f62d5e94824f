"""Words: every text of the page, in English and in Chinese, in one table."""

import re
from collections.abc import Mapping
from html import escape

LANGUAGES = ("en", "zh")
TOKEN = re.compile(r"@@([a-z]+\.[a-z_]+)@@")
TEXTS: Mapping[str, tuple[str, str]] = {
    "page.title": ("Duomo", "Duomo 多模"),
    "page.about": ("Models on your own machine", "在自己机器上的模型"),
    "page.language": ("Language", "语言"),
    "page.dark": ("Dark or light", "深色或浅色"),
    "page.logout": ("Log out", "退出"),
    "page.failed": ("This failed on the server; its log tells where.", "服务器出错了；日志里有出错的位置。"),
    "page.send": ("Send", "发送"),
    "page.stop": ("Stop", "停止"),
    "page.keep": ("Download", "下载"),
    "page.show": ("Show the picture", "显示图片"),
    "page.sound": ("Recording", "录音"),
    "page.model": ("Model", "模型"),
    "page.get": ("Get it with", "用这条命令得到它："),
    "page.then": ("then start again:", "然后重新启动："),
    "chat.title": ("Chat", "聊天"),
    "chat.about": ("Ask in words, with a picture, a sound or a clip, or speak.", "用文字提问，可以带图片、声音或视频，也可以直接说话。"),
    "chat.talk": ("Conversation", "对话"),
    "chat.ask": ("Your message", "你的消息"),
    "chat.hint": ("Write, or add files…", "输入文字，或添加文件……"),
    "chat.clear": ("New conversation", "新的对话"),
    "chat.more": ("Length and temperature", "长度与温度"),
    "chat.tokens": ("At most this many tokens", "最多生成多少词元"),
    "chat.warmth": ("Temperature: 0 takes the likeliest words", "温度：0 取最可能的词"),
    "chat.none": ("No model that writes is served.", "没有能写文字的模型。"),
    "hear.title": ("Transcribe", "转写"),
    "hear.about": ("A recording becomes text with times.", "录音变成带时间的文字。"),
    "hear.sound": ("Recording", "录音"),
    "hear.language": ("Spoken language, as zh or en; found if empty", "说的语言，例如 zh 或 en；不填则自动判断"),
    "hear.english": ("Write English, whatever is spoken", "不论说什么语言，都写成英文"),
    "hear.go": ("Write it down", "转写"),
    "hear.times": ("Timeline", "时间轴"),
    "hear.files": ("Files to keep", "可下载的文件"),
    "hear.none": ("No model that hears is served.", "没有能听的模型。"),
    "hear.told": ("{seconds} of sound, language: {language}", "{seconds} 的声音，语言：{language}"),
    "hear.silent": ("Nothing is said in it.", "里面没有人说话。"),
    "hear.wanted": ("Record something or choose a recording first.", "请先录音，或选择一个录音文件。"),
    "page.busy": ("Working…", "正在处理……"),
    "see.title": ("Describe", "看图"),
    "see.about": ("A model says what is in a picture, in both languages.", "模型用两种语言说出图里有什么。"),
    "see.none": ("No model that sees is served.", "没有能看图的模型。"),
    "see.picture": ("Picture", "图片"),
    "see.go": ("Describe it", "描述"),
    "see.wanted": ("Choose a picture first.", "请先选择一张图片。"),
    "see.known": ("It names what it was taught, whatever it is shown.", "不论给它看什么，它只会说出学过的东西。"),
    "shelf.title": ("Shelf", "书架"),
    "shelf.about": (
        "A question is answered with sentences of your files, each with its place, or not at all.",
        "用你文件里的原句回答问题，并指明出处；找不到就不回答。",
    ),
    "shelf.there": ("Files on the shelf: {name}", "书架上的文件：{name}"),
    "shelf.empty": (
        "No shelf yet: add files below, or start the server with --shelf FOLDER.",
        "还没有书架：在下面添加文件，或用 --shelf 文件夹 启动服务器。",
    ),
    "shelf.own": ("Your own files", "自己的文件"),
    "shelf.files": ("Texts, PDF, tables, recordings, films", "文本、PDF、表格、录音、影片"),
    "shelf.question": ("Question", "问题"),
    "shelf.hint": ("Ask in English or Chinese", "用中文或英文提问"),
    "shelf.laid": (
        "{files} files were read: {passages} passages. They are gone when the server ends.",
        "读了 {files} 个文件，{passages} 段。服务器结束时它们会被删除。",
    ),
    "shelf.wanted": ("Add files first.", "请先添加文件。"),
    "shelf.ask": ("Ask something.", "请输入问题。"),
    "shelf.sure": ("Quoted from the files; confidence {share}", "引自文件；把握 {share}"),
    "shelf.meaning": ("meanings were compared", "比较了意思"),
    "shelf.words": ("words alone were compared", "只比较了词"),
    "shelf.abstained": ("Nothing in these files answers this.", "这些文件里没有答案。"),
    "shelf.nearest": ("What came closest, and is no answer:", "最接近的内容（不是答案）："),
    "film.title": ("Watch", "影片"),
    "film.about": (
        "A film becomes key frames with times, what is seen and what is said.",
        "影片变成带时间的关键帧，以及看到的和听到的内容。",
    ),
    "film.deaf": ("Nobody hears what is said; a model that does is got with", "没有能听的模型；用这条命令得到："),
    "film.clip": ("Film", "影片"),
    "film.seer": ("Who describes the key frames", "由谁描述关键帧"),
    "film.nobody": ("nobody", "不描述"),
    "film.language": ("Language of descriptions", "描述所用的语言"),
    "film.go": ("Watch it", "观看"),
    "film.question": ("Find in this film", "在影片里查找"),
    "film.keep": ("All of it as JSON", "全部结果（JSON）"),
    "film.wanted": ("Choose a film first.", "请先选择一个影片。"),
    "film.first": ("Watch a film first.", "请先观看一个影片。"),
    "film.ask": ("Say what is looked for.", "请输入要查找的内容。"),
    "film.told": ("{length} long, {parts} key frames, language heard: {language}", "长 {length}，{parts} 个关键帧，听到的语言：{language}"),
    "film.seen": ("seen", "看到"),
    "film.said": ("said", "听到"),
    "table.title": ("Comments", "评论"),
    "table.about": (
        "A table of dated comments, classified and summed up by topic and week.",
        "把带日期的评论表分类，并按话题和周汇总。",
    ),
    "table.none": ("No model that classifies is served.", "没有能分类的模型。"),
    "table.file": ("Table (CSV, TSV, JSON lines, Parquet)", "表格（CSV、TSV、JSON lines、Parquet）"),
    "table.text": ("Column of the texts", "文本列"),
    "table.date": ("Column of the dates", "日期列"),
    "table.topic": ("Column of the topics", "话题列"),
    "table.labels": ("Labels, the good one first; good and bad if empty", "标签，好的在前；不填则为好与坏"),
    "table.topics": ("Topics to look for, where no column says them", "要找的话题（没有话题列时）"),
    "table.go": ("Classify", "分类"),
    "table.keep": ("Files to keep", "可下载的文件"),
    "table.wanted": ("Choose a table first.", "请先选择一个表格。"),
    "table.columns": ("Choose the column of the texts and the column of the dates.", "请选择文本列和日期列。"),
    "table.charts": ("Comments by topic and week", "按话题和周汇总的评论"),
    "table.topic_is": ("topic", "话题"),
    "table.count": ("comments", "评论数"),
    "table.good": ("good, 95 %", "好评率，95 %"),
    "table.day": ("day", "日期"),
    "table.label": ("label", "标签"),
    "table.share": ("share", "把握"),
    "table.comment": ("comment", "评论"),
    "table.first": (
        "The first {shown} of {count} comments; all are in the files.",
        "共 {count} 条评论，这里是前 {shown} 条；全部在文件里。",
    ),
    "graph.title": ("Graph", "图谱"),
    "graph.about": ("Names, dates and relations out of texts, each with its sentence.", "从文本中找出名字、日期和关系，每条都有原句。"),
    "graph.rules": (
        "Rules find dates, numbers and relations; persons and places are found by a model from",
        "规则能找到日期、数字和关系；人名和地名要用这条命令训练的模型：",
    ),
    "graph.text": ("Text", "文本"),
    "graph.files": ("Files of texts", "文本文件"),
    "graph.alone": ("rules alone", "只用规则"),
    "graph.go": ("Find names and relations", "找出名字和关系"),
    "graph.keep": ("The graph as Turtle (RDF)", "图谱（Turtle，RDF）"),
    "graph.wanted": ("Write a text or choose files first.", "请先输入文本或选择文件。"),
    "graph.view": ("Graph to look around in", "可浏览的图谱"),
    "graph.nothing": ("No names and no relations were found.", "没有找到名字或关系。"),
    "graph.subject": ("subject", "主语"),
    "graph.predicate": ("relation", "关系"),
    "graph.object": ("object", "宾语"),
    "graph.sentence": ("sentence", "原句"),
    "graph.name": ("name", "名字"),
    "graph.kind": ("kind", "类别"),
    "graph.file": ("file", "文件"),
    "runs.title": ("Runs", "训练"),
    "runs.about": (
        "Curves follow a training while it goes on; figures stand beside baselines and controls.",
        "训练时曲线实时更新；成绩与基线、对照并列。",
    ),
    "runs.run": ("Run", "训练"),
    "runs.again": ("Look again", "刷新"),
    "runs.none": ("No run yet; this makes one:", "还没有训练；这条命令做一个："),
    "runs.step": ("Step {step}, loss {loss}", "第 {step} 步，损失 {loss}"),
    "runs.held": ("Held-out loss: {losses}", "留出集损失：{losses}"),
    "runs.report": ("Report of this run", "本次训练的报告"),
    "runs.board": ("Scoreboard", "成绩表"),
    "board.run": ("run", "训练"),
    "board.task": ("task", "任务"),
    "board.metric": ("metric", "指标"),
    "board.value": ("value [95 %]", "数值 [95 %]"),
    "board.n": ("n", "n"),
    "board.chance": ("chance", "随机"),
    "board.baselines": ("baselines", "基线"),
    "board.control": ("control", "对照"),
    "board.remarks": ("remarks", "备注"),
    "tour.title": ("Tour", "导览"),
    "tour.about": (
        "Ask the shelf, then teach a model from nothing. All of it happens on this machine.",
        "先问书架，再从零教一个模型。一切都在这台机器上发生。",
    ),
    "tour.one": ("The shelf", "书架"),
    "tour.two": ("Ask the shelf", "问书架"),
    "tour.three": ("Now from nothing", "现在从零开始"),
    "tour.four": ("Pull the plug", "拔掉电源"),
    "tour.five": ("What it can do, and what not", "它会什么，不会什么"),
    "tour.hint": ("Which recording says that the caller is alone?", "哪条录音说只有来电者一个人？"),
    "tour.downloads": ("Downloads, with sizes and licences", "下载内容、大小与许可证"),
    "tour.source": ("Source", "来源"),
    "tour.size": ("Size", "大小"),
    "tour.licence": ("Licence", "许可证"),
    "tour.state": ("State", "状态"),
    "tour.here": ("is here", "已有"),
    "tour.fetching": ("is fetched", "正在获取"),
    "tour.recording": ("Recording", "录音"),
    "tour.heard": ("What was heard", "听到的"),
    "tour.truth": ("What is true", "正确答案"),
    "tour.shelved": (
        "{files} files, {passages} passages: all can be asked by words, {vectors} by meaning.",
        "{files} 个文件，{passages} 段：全部可按词查，{vectors} 段可按意思查。",
    ),
    "tour.sure": ("confidence {share}", "把握 {share}"),
    "tour.by_words": ("by words", "按词"),
    "tour.by_meaning": ("by meaning", "按意思"),
    "tour.by_both": ("by meaning, then weighed by smollm2", "先按意思，再由 smollm2 权衡"),
    "tour.preparing": ("preparing the data", "正在准备数据"),
    "tour.to_come": ("about {left} minutes left at this pace", "照此速度还要约 {left} 分钟"),
    "tour.begins": ("the training process begins", "训练进程正在启动"),
    "tour.begins_again": ("the training process begins again", "训练进程正在重新启动"),
    "tour.comparing": ("computing what it is compared with", "正在计算用来比较的方法"),
    "tour.measuring": ("measuring on held-out data", "正在留出数据上打分"),
    "tour.program": ("From a program", "在程序里使用"),
    "tour.limits": ("What this can not do", "这一切不会做什么"),
    "tour.limit_shelf": (
        "The shelf quotes; it does not reason. It misses much that is said in other words, and refuses some that it could answer.",
        "书架只引用，不推理。换一种说法，很多就找不到；有些能答的，它也拒绝回答。",
    ),
    "tour.limit_writer": (
        "Where the language model speaks alone, it makes things up: here it is shown as a warning.",
        "语言模型单独说话时会编造：在这里，它是一个警告。",
    ),
    "tour.limit_model": (
        "The model of this hour knows what it was taught and nothing else: it is no assistant. Its speech and its clips are synthetic.",
        "刚训练的模型只会教过它的东西：它不是助手。它的语音和短片是合成的。",
    ),
    "tour.limit_rows": (
        'Where a row says "did not look", nothing was learned; where it says "below …", a simple method does better.',
        "写着 “did not look” 的行什么也没有学到；写着 “below …” 的行，简单的方法更好。",
    ),
    "tour.limit_voice": (
        "Recordings were of one speaker; names and numbers come out wrong at times.",
        "录音来自同一个人；名字和数字有时会听错。",
    ),
    "tour.invented": (
        "Made up, and no answer: this is what {model} alone says, which was shown no file.",
        "编造的，不是答案：这是 {model} 在没有看任何文件时说的话。",
    ),
    "tour.left": ("Left out: {what}.", "略过：{what}。"),
    "tour.minutes": ("Minutes of training", "训练几分钟"),
    "tour.teach": ("Teach it", "开始教"),
    "tour.step": (
        "Step {step} of {steps}, loss {loss}, about {left} minutes left",
        "第 {step} 步，共 {steps} 步，损失 {loss}，还剩约 {left} 分钟",
    ),
    "tour.at": ("Held-out items, answered by the weights of step {step}", "留出的题目，由第 {step} 步的权重作答"),
    "tour.item": ("Held-out item", "留出的题目"),
    "tour.says": ("It says now", "现在的回答"),
    "tour.turned": ("So far", "历次对错"),
    "tour.model": ("the model", "模型"),
    "tour.draw": ("Draw a digit", "画一个数字"),
    "tour.clear": ("Clean sheet", "清空"),
    "tour.look": ("What is this?", "这是什么？"),
    "tour.speak": ("Speak a word or a number, in English", "用英语说一个词或数字"),
    "tour.listen": ("What did I say?", "我说了什么？"),
    "tour.nothing_drawn": ("Draw a digit first.", "请先画一个数字。"),
    "tour.nothing_said": ("Speak, or choose a recording first.", "请先说话，或选择一段录音。"),
    "tour.pull": ("Kill the training (SIGKILL) and let it go on", "杀掉训练进程（SIGKILL），再让它继续"),
    "tour.killed": (
        "Killed at step {step} (loss {loss}); the newest whole checkpoint is of step {kept}.",
        "在第 {step} 步被杀（损失 {loss}）；最新的完整检查点是第 {kept} 步。",
    ),
    "tour.resumed": ("It went on from step {step}.", "它从第 {step} 步继续。"),
    "tour.number": ("Step", "步"),
    "tour.before": ("Loss before", "被杀前的损失"),
    "tour.after": ("Loss after", "继续后的损失"),
    "tour.same": ("The same to the last digit: nothing was lost but time.", "逐位相同：失去的只有时间。"),
}


def say(name: str) -> str:
    """A text where Gradio writes it once for all: a mark that becomes the text in the reader's language when the page is sent."""
    assert name in TEXTS, name
    return f"@@{name}@@"


def mark(texts: tuple[str, str]) -> str:
    """The mark of these two texts, which stand in the table."""
    return say(next(name for name, known in TEXTS.items() if known == texts))


def both(text: str, /, **values: object) -> str:
    """A text as HTML in both languages, of which the page shows one. What `values` hold is escaped."""
    known = {key: escape(str(value)) for key, value in values.items()}
    told = zip(LANGUAGES, TEXTS[text], strict=True)
    spans = (f'<span class="{tag}" lang="{tag}">{escape(words).format(**known)}</span>' for tag, words in told)
    return "".join(spans)


def filled(body: str, language: str, quoted: bool) -> str:
    """A text with every mark replaced. `quoted`: the marks stand inside JSON strings inside a script."""
    place = LANGUAGES.index(language)

    def word(found: re.Match[str]) -> str:
        text = TEXTS[found[1]][place] if found[1] in TEXTS else found[0]
        return _inert(text) if quoted else escape(text)

    return TOKEN.sub(word, body)


def _inert(text: str) -> str:
    """As it stands inside a JSON string that stands inside a script."""
    for sign in "\\\"<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text

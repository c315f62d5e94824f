"""Chat formats as Jinja templates, for the programs that want them; here conversations are written by Python alone."""

import json

from duomo.tokenizer import ChatFormat

ROLES = ("system", "user", "assistant", "tool")


def jinja(chat: ChatFormat) -> str:
    """A template that writes what `render` writes: messages of the four roles, and with `add_generation_prompt` an open answer."""
    opened = [_string("".join(chat.open(role))) for role in ROLES]
    closed = [_string("".join(chat.close(role))) for role in ROLES]
    first = ""
    if chat.system is not None:
        words = "".join((*chat.open("system"), chat.system, *chat.close("system")))
        first = f"{{% if messages and messages[0]['role'] != 'system' %}}{{{{ {_string(words)} }}}}{{% endif %}}"
    return (
        f"{{{{ {_string(''.join(chat.begin))} }}}}{first}"
        f"{{% for message in messages %}}{_by_role(opened)}{{{{ message['content'] }}}}{_by_role(closed)}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {opened[ROLES.index('assistant')]} }}}}{{% endif %}}"
    )


def _by_role(words: list[str]) -> str:
    """What is written for the role of the message at hand."""
    if len(set(words)) == 1:
        return f"{{{{ {words[0]} }}}}"
    cases = [f"if message['role'] == '{role}' %}}{{{{ {word} }}}}" for role, word in zip(ROLES, words, strict=True)]
    return "{% " + "{% el".join(cases) + "{% endif %}"


def _string(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)

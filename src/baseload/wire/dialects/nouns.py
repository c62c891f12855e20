"""What a conversation with a model is, in no provider's words: each dialect is read into it and written from.

A request is a `Prompt`, a whole answer a `Reply`, a streamed one a sequence of `Event`s. What only one
dialect can say is kept in `own`, as `Own(dialect, members)`: writing the same dialect puts it back, writing
another one asks `matrix` what becomes of it. So reading and writing one dialect loses nothing, and what
another dialect cannot say is refused or written in the matrix, never lost in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from baseload.core import Tokens

Json = dict[str, Any]
"""A JSON object."""


class Dialect(StrEnum):
    """A wire format of generating calls."""

    CHAT = "chat"  # OpenAI chat completions, and everything compatible
    RESPONSES = "responses"  # OpenAI responses
    MESSAGES = "messages"  # Anthropic messages
    GEMINI = "gemini"  # Google generateContent, Gemini API and Vertex AI
    CONVERSE = "converse"  # Amazon Bedrock Converse


IN_PATH = frozenset({Dialect.GEMINI, Dialect.CONVERSE})
"""Dialects whose requests name the model, and whether they stream, in the path: their bodies say neither."""


class Own(Struct):
    """Members that only `dialect` has, as they came.

    `spelling`: how it wrote what the nouns hold in another way, such as a limit under its older name; other
    dialects need not ask for it.
    """

    dialect: Dialect
    members: Json
    spelling: Json = {}


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"  # results alone; dialects without this role send them as the user's


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT = "context"  # the context window is full
    TOOL_CALLS = "tool_calls"
    FILTER = "filter"  # safety, guardrail, recitation
    REFUSAL = "refusal"
    PAUSE = "pause"  # a long turn of server tools: to be sent back to go on
    OTHER = "other"

    def with_calls(self, called: bool) -> Finish:
        """The reason of an answer that called tools or did not: a forced call often ends in `stop`."""
        return Finish.TOOL_CALLS if called and self is Finish.STOP else self


# -- parts of a turn or of an answer ------------------------------------------------------------------------


class Cache(Struct, frozen=True):
    """A prompt-cache marker after a part: everything up to it may be cached. `ttl` None is the provider's."""

    ttl: str | None = None


class Text(Struct, tag=True):
    """Plain text."""

    text: str
    cache: Cache | None = None
    own: Own | None = None


class Kind(StrEnum):
    """What a `Media` is."""

    IMAGE = "image"
    DOCUMENT = "document"
    AUDIO = "audio"
    VIDEO = "video"


class Media(Struct, tag=True):
    """An image, document, sound or film: `data` (base64), `url`, `file` (an id of the provider) or `text`.

    `mime` may be unknown for a URL. `detail` is OpenAI's wish for an image's resolution.
    """

    kind: Kind
    mime: str | None = None
    data: str | None = None
    url: str | None = None
    file: str | None = None
    text: str | None = None
    name: str | None = None
    detail: str | None = None
    cache: Cache | None = None
    own: Own | None = None


class Call(Struct, tag=True):
    """The model calls a tool. `arguments` is JSON text as the dialect carried it, which may be cut off."""

    id: str
    name: str
    arguments: str
    cache: Cache | None = None
    own: Own | None = None


class Result(Struct, tag=True):
    """What a tool call gave. `name` is known where the dialect says it; `plain`: it came as a bare string."""

    id: str
    parts: list[Part]
    name: str | None = None
    failed: bool | None = None
    plain: bool = True
    cache: Cache | None = None
    own: Own | None = None


class Thought(Struct, tag=True):
    """Reasoning of the model. `signature` proves it to its provider; `sealed` is reasoning kept unreadable.

    `origin`: the dialect whose provider can check signature and seal; another one gets the text at most.
    """

    text: str
    signature: str | None = None
    sealed: str | None = None
    origin: Dialect | None = None
    own: Own | None = None


class Declined(Struct, tag=True):
    """The model's refusal, said in words."""

    text: str
    own: Own | None = None


class Foreign(Struct, tag=True):
    """A part or tool that only one dialect has: `own.members` is all of it. `what` names it in messages."""

    what: str
    own: Own


Part = Text | Media | Call | Result | Thought | Declined | Foreign


class Turn(Struct):
    """One message. `plain`: its content came as a bare string. `name` is the participant's."""

    role: Role
    parts: list[Part]
    plain: bool = False
    name: str | None = None
    own: Own | None = None


# -- a request ----------------------------------------------------------------------------------------------


class Tool(Struct):
    """A function the model may call. `schema` is its parameters' JSON schema; None: it takes none."""

    name: str
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None
    cache: Cache | None = None
    own: Own | None = None


class Service(StrEnum):
    """What a provider's own servers do for the model while it answers."""

    WEB_SEARCH = "web_search"
    CODE_EXECUTION = "code_execution"
    WEB_FETCH = "web_fetch"


class Search(Struct):
    """How the web is to be searched: at most `uses` times, in `allowed` domains or in none of the `blocked`.

    `location`: about where the user is (`city`, `region`, `country`, `timezone`, each a string).
    """

    uses: int | None = None
    allowed: list[str] | None = None
    blocked: list[str] | None = None
    location: Json | None = None


class ServerTool(Struct, tag=True):
    """A tool that the provider runs itself; `own` holds the options that only one dialect has."""

    kind: Service
    own: Own | None = None
    search: Search | None = None


class ToolUse(StrEnum):
    """Whether tools are called."""

    AUTO = "auto"
    NONE = "none"
    ANY = "any"  # at least one
    NAMED = "named"  # this one


class ToolChoice(Struct):
    """What the client wants of its tools; `name` with `NAMED`."""

    use: ToolUse
    name: str | None = None
    own: Own | None = None


class Shape(StrEnum):
    """The form of an answer's text."""

    TEXT = "text"
    JSON = "json"
    SCHEMA = "schema"


class Form(Struct):
    """The answer's form, with its JSON schema where it has one."""

    shape: Shape
    schema: Json | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    own: Own | None = None


class Reasoning(Struct):
    """How much the model may think: an `effort` in words, a `budget` in tokens, `dynamic`, or not (`off`)."""

    effort: str | None = None
    budget: int | None = None
    off: bool = False
    dynamic: bool = False  # as much as the model sees fit
    shown: bool | None = None  # whether the client wants to see it
    own: Own | None = None


class Prompt(Struct):
    """A request. None: the client says nothing of it. Lengths are tokens."""

    model: str
    turns: list[Turn]
    stream: bool | None = None
    usage_in_stream: bool | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None
    choices: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Tool | ServerTool | Foreign] | None = None
    tool_choice: ToolChoice | None = None
    parallel_calls: bool | None = None
    form: Form | None = None
    verbosity: str | None = None  # how much is said: low, medium, high
    reasoning: Reasoning | None = None
    user: str | None = None
    tier: str | None = None
    metadata: Json | None = None
    own: Own | None = None


# -- an answer ----------------------------------------------------------------------------------------------


class Report(Struct):
    """Usage as an answer reports it. `own`: what is counted besides."""

    tokens: Tokens
    own: Own | None = None


class Choice(Struct):
    """One of the answers to a prompt; nearly always the only one. `stop` is the sequence that ended it."""

    parts: list[Part]
    finish: Finish | None
    index: int = 0
    stop: str | None = None
    logprobs: list[Json] | None = None  # OpenAI's: token, logprob, bytes, top_logprobs
    own: Own | None = None


class Reply(Struct):
    """A whole answer. `created_s` is Unix time where the dialect says it."""

    id: str
    model: str
    choices: list[Choice]
    report: Report | None = None
    created_s: int | None = None
    own: Own | None = None


class Failure(Struct):
    """An error as a provider reports it, in OpenAI's terms: `kind` is its type, `code` says which.

    `retry_after_s` where the error itself says when to come again.
    """

    message: str
    kind: str | None = None
    code: str | None = None
    param: str | None = None
    own: Own | None = None
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        """What a provider put in place of a word is none."""
        for name in ("kind", "code", "param"):
            if not isinstance(getattr(self, name), str | None):
                setattr(self, name, None)


# -- a streamed answer --------------------------------------------------------------------------------------


class Started(Struct, tag=True):
    """The first event: which answer this is. `report` where the input's tokens are known already."""

    id: str
    model: str
    created_s: int | None = None
    report: Report | None = None
    own: Own | None = None


class Opened(Struct, tag=True):
    """A part begins, with what of it is known: later deltas of the same `index` belong to it."""

    index: int
    part: Part
    choice: int = 0


class Added(Struct, tag=True):
    """More of a part's text, arguments or reasoning."""

    index: int
    text: str
    choice: int = 0
    logprobs: list[Json] | None = None


class Signed(Struct, tag=True):
    """The signature of the reasoning in part `index`."""

    index: int
    signature: str
    choice: int = 0


class Noted(Struct, tag=True):
    """Something only one dialect says of part `index`, such as a citation."""

    index: int
    own: Own
    choice: int = 0


class Closed(Struct, tag=True):
    """Part `index` is complete. `own`, where it is there, replaces what the part said of itself so far."""

    index: int
    choice: int = 0
    own: Own | None = None


class Finished(Struct, tag=True):
    """A choice is complete."""

    finish: Finish
    choice: int = 0
    stop: str | None = None
    own: Own | None = None


class Metered(Struct, tag=True):
    """Usage so far; the last one holds."""

    report: Report


class Broken(Struct, tag=True):
    """The provider reports an error within the stream."""

    failure: Failure


class Ended(Struct, tag=True):
    """Nothing follows."""


Event = Started | Opened | Added | Signed | Noted | Closed | Finished | Metered | Broken | Ended

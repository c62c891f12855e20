"""How large a prompt is, whatever form it has."""

from __future__ import annotations

import json

import msgspec
import pytest

from baseload.wire.prompt import PromptSize, answer_text_bytes, prompt_size


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"messages": [{"role": "user", "content": "hello"}]}, PromptSize(5, 1, 0)),
        ({"messages": [{"content": 'a\n"b'}, {"content": "é"}]}, PromptSize(6, 2, 0)),
        (
            {"messages": [{"content": [{"type": "text", "text": "abc"}, {"type": "image_url"}]}]},
            PromptSize(3, 1, 0),
        ),
        ({"messages": [{"content": None, "tool_calls": []}, {"content": "x"}]}, PromptSize(3, 2, 0)),
        ({"messages": [{"content": "x"}], "tools": [{"a": 1}]}, PromptSize(10, 1, 0)),
        ({"prompt": "once"}, PromptSize(4, 1, 0)),
        ({"prompt": [1, 2, 3]}, PromptSize(0, 0, 3)),
        ({"prompt": [[1, 2], [3]]}, PromptSize(0, 2, 3)),
        ({"input": ["ab", "c"]}, PromptSize(3, 2, 0)),
        ({"instructions": "ab", "input": "cde"}, PromptSize(5, 2, 0)),
        ({"input": [{"role": "user", "content": "abc"}]}, PromptSize(3, 1, 0)),
        (
            {"input": [{"content": [{"type": "input_text", "text": "abc"}, {"type": "input_image"}]}]},
            PromptSize(3, 1, 0),
        ),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, PromptSize(3, 1, 0)),
        ({"input": [{"type": "function_call_output", "output": "six"}]}, PromptSize(3, 1, 0)),
        ({"input": [{"summary": [{"text": "hm"}], "encrypted_content": "gAAA"}, 7]}, PromptSize(2, 1, 1)),
    ],
)
def test_text_is_counted_as_the_tokenizer_sees_it(body: object, size: PromptSize) -> None:
    """Bytes of the text itself, without JSON's syntax and escapes; messages; token ids."""
    assert prompt_size(msgspec.json.encode(body)) == size


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"choices":[{"message":{"content":"h\\u00e9"}},{"message":{"content":"abc"}}]}', 6),
        (b'{"choices":[{"text":"once"}]}', 4),
        (b'{"output":[{"type":"message","content":[{"type":"output_text","text":"six"}]}]}', 3),
        (b'{"output":[{"type":"function_call","name":"f","arguments":"{}"}]}', 3),
        (b'{"choices":[{"message":{"content":null,"tool_calls":[1]}}]}', 3),
        (b'{"data":[]}', 0),
        (b"{", 0),
    ],
)
def test_the_text_of_an_answer(body: bytes, size: int) -> None:
    """All choices' text, whether chat or completion."""
    assert answer_text_bytes(body) == size


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"messages":1}', b"{}", b"[" * 100_000])
def test_what_is_no_prompt_has_no_size(body: bytes) -> None:
    """Anything else is None and no error."""
    assert prompt_size(body) is None


def test_googles_format_is_sized() -> None:
    """Texts, instructions, calls as they are written, and what is to be embedded; pictures do not count."""
    content = {"parts": [{"text": "four"}, {"inlineData": {"data": "A" * 99}}]}
    asked = json.dumps({"contents": [content, content], "systemInstruction": {"parts": [{"text": "ok"}]}})
    assert prompt_size(asked.encode()) == PromptSize(10, 3, 0)
    embedded = json.dumps({"requests": [{"content": content}, {"content": content}]})
    assert prompt_size(embedded.encode()) == PromptSize(8, 2, 0)
    call = {"parts": [{"functionCall": {"name": "f"}}]}
    answer = {"candidates": [{"content": content}, {"content": call}]}
    assert answer_text_bytes(json.dumps(answer).encode()) == 4 + len('{"name":"f"}')

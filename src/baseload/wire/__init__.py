"""Formats on the wire: HTTP/1.1 framing, server-sent events, OpenAI's JSON. Pure: bytes in, values out."""

"""Plays traffic against an OpenAI-format endpoint, open loop, and says what came of each request."""

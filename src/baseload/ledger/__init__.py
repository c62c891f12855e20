"""The append-only record of every request and attempt: journal first, database second.

    gateway ── Begin, End, Refusal ──► journal (mapped segments) ──► ingest (a process) ──► store (SQLite)

`record` says what is written, `segment` how it lies on disk, `journal` writes, `ingest` moves frames into the
store, `store` answers questions, `hours` closes the books of owned targets, `export` hands rows out.
"""

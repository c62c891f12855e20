"""Requests that pass through as they are: other paths of `/v1/` than model calls (docs/passthrough.md).

    Passed      a path: where it goes, what it counts
    Passage     one request there, an `Exchange` whose body may still be on its way
    Carriage    one try at one target, an `Attempt` that hands on what it gets
    Fare        what a try counted, and its cost

| module | holds |
|---|---|
| `paths` | the paths |
| `passages` | where the data port hands a request over |
| `passage` | Passage |
| `carriage` | Carriage |
| `fare` | Fare |
"""

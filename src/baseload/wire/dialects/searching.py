"""The options of a web search that several dialects have, out of a tool's members and back into them."""

from __future__ import annotations

from baseload.wire.dialects.nouns import Json, Search
from baseload.wire.dialects.rest import Rest

ROWS = {
    "web_search_allowed": "allowed",
    "web_search_blocked": "blocked",
    "web_search_location": "location",
    "web_search_uses": "uses",
}
"""The rows of `matrix.FIELDS` about them, and what of `Search` each is about."""
_PLACE = frozenset({"city", "region", "country", "timezone"})


def take_domains(rest: Rest, name: str) -> list[str] | None:
    """A list of domains; one of another form stays the dialect's own, an empty one says nothing."""
    domains = rest.members.get(name)
    if not isinstance(domains, list) or not domains or not all(isinstance(one, str) for one in domains):
        return None
    del rest.members[name]
    return domains


def take_location(rest: Rest, *, nested: bool = False) -> Json | None:
    """Where the user is, out of `user_location`; `nested`: as chat completions hold it, an object deeper."""
    said = rest.members.get("user_location")
    if not isinstance(said, dict) or said.get("type") != "approximate":
        return None
    place = {name: value for name, value in said.items() if name != "type"}
    if nested:
        place, others = place.pop("approximate", None), place
        if others or not isinstance(place, dict):
            return None
    if not place or not place.keys() <= _PLACE or not all(isinstance(one, str) for one in place.values()):
        return None
    del rest.members["user_location"]
    return place


def take_search(rest: Rest, blocked: str) -> Search | None:
    """The options as Anthropic has them, and OpenRouter but for the name of `blocked`; None where unsaid."""
    search = Search(
        rest.take("max_uses", int),
        take_domains(rest, "allowed_domains"),
        take_domains(rest, blocked),
        take_location(rest),
    )
    return unless_empty(search)


def unless_empty(search: Search) -> Search | None:
    """The options, where any is said."""
    return search if search != Search() else None


def location(place: Json, *, nested: bool = False) -> Json:
    """The reverse of `take_location`: the value of `user_location`."""
    return {"type": "approximate", **({"approximate": place} if nested else place)}

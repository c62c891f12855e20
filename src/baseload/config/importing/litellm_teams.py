"""LiteLLM's teams as tenants: those that the file names, and the models that are theirs alone."""

from __future__ import annotations

from baseload.config.importing.draft import Draft, clean, is_name
from baseload.config.importing.source import Node
from baseload.config.schema import DEFAULT_TENANT


def name_teams(draft: Draft, teams: Node) -> None:
    """A tenant for each team of `default_team_settings`."""
    for team in teams.items():
        node = team.get("team_id")
        name = clean(node.text() or "")
        if node and name != "unnamed":
            draft.tenants[name] = {"class": "default"}
            node.carry(f"tenants.{name}")


def restrict(draft: Draft, deployments: list[tuple[Node, Node]]) -> None:
    """Let a team's own models be asked for by its tenant alone, which every tenant's list then says.

    `deployments` are each one's `model_name` and `model_info`. Not a model that other deployments serve to
    all, nor one that the team asks for by another name; none where no model is for all.
    """
    teams: dict[str, set[str | None]] = {}
    for group, info in deployments:
        team = info.get("team_id").text() if not info.get("team_public_model_name") else None
        teams.setdefault(_name(group), set()).add(team)
    own = {name: who for name, who in teams.items() if name in draft.models and who and None not in who}
    public = [name for name in draft.models if name not in own]
    if not (own and public):
        return
    named = {clean(team) for who in own.values() for team in who if team}
    for tenant in (DEFAULT_TENANT, *sorted(named - {DEFAULT_TENANT})):
        draft.tenants.setdefault(tenant, {"class": "default"})
    for tenant, section in draft.tenants.items():
        mine = [name for name, who in own.items() if tenant in {clean(team or "") for team in who}]
        section["models"] = [*public, *mine]
    for group, info in deployments:
        if _name(group) in own:
            info.get("team_id").carry("tenants.NAME.models")


def _name(group: Node) -> str:
    """What the model of a group is called."""
    text = group.needed()
    return text if is_name(text) else clean(text)

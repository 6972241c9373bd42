"""A recipe that is another one with changes: what it does not say is as there, and no list of photos stands twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.config.problems import explain_problems
from edge.errors import ConfigError

Table = dict[str, Any]


class Derived(BaseModel):
    """Keys of a recipe that is made from another one. Its other keys take the place of those there, key by key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = Field(description="the recipe that all else is taken from: a shipped one by name, or a file beside it")
    leave: tuple[str, ...] = Field(
        default=(), description="tables and keys of the base that this one does without, as in teacher"
    )
    only: tuple[str, ...] | None = Field(
        default=None, description="names of the sources to train on; unset: all of the base"
    )
    change: Mapping[str, Table] = Field(
        default={}, description="by a source's name, keys of its `[[train]]` that are other than in the base"
    )


def derive(table: Table, base: Table, sources: Mapping[str, Table], where: str) -> Table:
    """The table of the whole recipe: `base` is that of the one that `table` names, `sources` what it trains on.

    Raises:
        ConfigError: a source is named that the base does not have, or a key is of the wrong type.
    """
    own = {name: table[name] for name in Derived.model_fields if name in table}
    try:
        said = Derived.model_validate(own)
    except ValidationError as error:
        lines = explain_problems(error, Derived, own)
        raise ConfigError("\n  ".join([f"{where}: this recipe can't be used:", *lines])) from None
    if strange := [name for name in said.leave if name not in base]:
        raise ConfigError(f"{where}: leave = {strange[0]}: {said.base} has none; it has {', '.join(base)}")
    kept = {name: part for name, part in base.items() if name not in said.leave}
    made = _merged(kept, {name: part for name, part in table.items() if name not in own})
    if said.only is None and not said.change:
        return made
    if "train" in table:
        raise ConfigError(
            f"{where}: only and change are about the sources of {said.base}: take out [[train]], or these"
        )
    for key, names in (("only", said.only or ()), ("change", said.change)):
        if strange := [name for name in names if name not in sources]:
            raise ConfigError(f"{where}: {key} = {strange[0]}: expected a source of {said.base}: {', '.join(sources)}")
    wanted = set(sources if said.only is None else said.only)
    made["train"] = [{**source, **said.change.get(name, {})} for name, source in sources.items() if name in wanted]
    return made


def _merged(base: Table, table: Table) -> Table:
    """Tables are merged key by key, all else is replaced."""
    made = dict(base)
    for name, part in table.items():
        old = base.get(name)
        made[name] = _merged(old, part) if isinstance(part, dict) and isinstance(old, dict) else part
    return made

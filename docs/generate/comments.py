"""What stands behind the members of an enum: the comment is its meaning, and only the source has it."""

from __future__ import annotations

import inspect
import re
from enum import Enum


def meanings(kind: type[Enum]) -> dict[str, str]:
    """Return the comment of every member by its value; empty where it has none."""
    found = dict(re.findall(r"^ {4}([A-Z_]+) = [^#\n]*(?:#\s*(.*))?$", inspect.getsource(kind), flags=re.MULTILINE))
    return {str(member.value): found[member.name] for member in kind}

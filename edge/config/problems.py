"""What is wrong with a station file, in the words of whoever wrote it: one plain line for each problem."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

LONGEST_VALUE = 60
_PIN_KEY = re.compile(r"(^|_)pin(_|$)")
_NUMBER = re.compile(r"\s*([-+]?\d+)(?:[.,](\d+))?\s*")
# What the pins of the Pi's 40-pin header are.
HEADER_GPIO = {
    3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9, 22: 25, 23: 11,
    24: 8, 26: 7, 27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26, 38: 20, 40: 21,
}  # fmt: skip
HEADER_GROUND = (6, 9, 14, 20, 25, 30, 34, 39)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})


# Says what to write in the place of a value, given that and the last key before it; "" where nothing better is known.
Explain = Callable[[object, str], str]


def explain_problems(
    error: ValidationError, model: type[BaseModel], table: dict[str, Any], about_name: Explain | None = None
) -> list[str]:
    """Return one plain line for each problem: `key = value: what is wrong (did you mean ...?)`.

    Entries of a list are called by their name, `bins[plastic].distance_mm`, or by their number, `bins[#2].name`.
    `about_name` explains a name that is none, where other names are allowed than in a station file.
    """
    words = _WORDS if about_name is None else _WORDS | {"string_pattern_mismatch": about_name}
    lines: list[str] = []
    found = error.errors(include_url=False)
    for problem in found:
        if problem["type"] == "too_short" and any(problem["loc"] == other["loc"][:-1] for other in found):
            continue  # pydantic counts the entries that are sound; what is wrong with the others is said
        location = [part for part in problem["loc"] if not _is_union_tag(part, problem["loc"], table)]
        key = _dotted(location, table) or "station"
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key{_suggestion(location, model, table)}")
        elif problem["type"] == "missing":
            lines.append(f"{key}: missing; expected {_description(location, model, table) or 'a value'}")
        elif problem["type"] == "value_error":
            prefix = "" if key == "station" else f"{key}: "
            lines += [f"{prefix}{line}" for line in str(problem["ctx"]["error"]).splitlines()]
        elif problem["type"].startswith("union_tag"):
            expected = problem.get("ctx", {}).get("expected_tags", "")
            lines.append(f"{key}.type: expected one of {expected}")
        else:
            lines.append(f"{key} = {_shortened(problem['input'])}: {_plain_words(dict(problem), location, words)}")
    return lines


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _plain_words(problem: dict[str, Any], location: list[int | str], words: dict[str, Explain]) -> str:
    """Return what was expected and, where it can be told, what to write instead."""
    value, last = problem["input"], next((part for part in reversed(location) if isinstance(part, str)), "")
    if _PIN_KEY.search(last):
        return _about_pin(value)
    explain = words.get(problem["type"])
    plain = "" if explain is None else explain(value, last)
    return plain or f"{problem['msg'][0].lower()}{problem['msg'][1:]}"


def _about_pin(value: object) -> str:
    expected = "expected a GPIO (BCM) number, 0 to 27, as an integer without quotes"
    if isinstance(value, str) and (number := re.fullmatch(r"\s*(?:gpio|bcm)?\s*_?(\d{1,2})\s*", value, re.IGNORECASE)):
        return f"{expected}: {number[1]}"
    if isinstance(value, int) and value in HEADER_GPIO:
        return f"{expected}; header pin {value} is GPIO {HEADER_GPIO[value]}"
    if isinstance(value, int) and value in HEADER_GROUND:
        return f"{expected}; header pin {value} is ground"
    return expected


def _about_name(value: object, _key: str) -> str:
    expected = "expected small letters a to z, digits, - and _, at most 32, the first a letter or a digit"
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", str(value)).lower().translate(_UMLAUTS))
    near = re.sub(r"[^a-z0-9_]+", "-", plain.encode("ascii", "ignore").decode()).strip("-_")[:32]
    return f"{expected}; {near!r} would do" if near else expected


def _about_number(value: object, _key: str) -> str:
    number = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if number is None:
        return ""
    return f"expected a number, with a point and without quotes: {number[1]}{'.' + number[2] if number[2] else ''}"


def _about_list(value: object, key: str) -> str:
    if isinstance(value, dict):
        return f"expected a list of tables: write [[{key}]] with two brackets"
    return f"expected a list, in brackets: {key} = [...]"


def _about_table(value: object, key: str) -> str:
    if isinstance(value, list):
        return f"expected one table: write [{key}] with one bracket"
    return f"expected a table: write [{key}], and its keys below it"


def _about_length(value: object, _key: str) -> str:
    least = len(value) + 1 if isinstance(value, list | tuple | dict) else 1
    return f"expected at least {least} {'entry' if least == 1 else 'entries'}"


def _about_text(value: object, _key: str) -> str:
    return 'expected text, in quotes: "..."'


_WORDS: dict[str, Explain] = {
    "string_pattern_mismatch": _about_name,
    "string_type": _about_text,
    "float_parsing": _about_number,
    "int_parsing": _about_number,
    "too_short": _about_length,
    "tuple_type": _about_list,
    "dict_type": _about_table,
    "mapping_type": _about_table,
    "model_type": _about_table,
    "model_attributes_type": _about_table,
}


def _is_union_tag(part: int | str, location: tuple[int | str, ...], table: dict[str, Any]) -> bool:
    """Say whether pydantic put a union's tag into the location; it is in no file."""
    at: Any = table
    for step in location:
        if isinstance(at, dict) and step not in at and at.get("type") == step:
            return step == part
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            return False
    return False


def _dotted(location: list[int | str], table: dict[str, Any]) -> str:
    text, at = "", table
    for part in location:
        entries, at = at, _at(at, part)
        if isinstance(part, str):
            text += f"{'.' if text else ''}{part}"
        elif isinstance(at, dict):  # another entry of a plain list is shown by its value
            text += f"[{_name_of(part, entries)}]"
    return text


def _at(table: Any, part: int | str) -> Any:
    try:
        return table[part]
    except (KeyError, IndexError, TypeError):
        return None


def _name_of(number: int, entries: Any) -> str:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    name = names[number]
    if not isinstance(name, str) or not name:
        return f"#{number + 1}"
    return name if names.count(name) == 1 else f"{name} #{number + 1}"


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _candidates(location: list[int | str], model: type[BaseModel], table: dict[str, Any]) -> list[type[BaseModel]]:
    """Return the settings models that the last key of the location may belong to."""
    models, in_table, at = [model], False, table
    for part in location[:-1]:
        at = _at(at, part)
        if in_table:
            in_table = False  # the part is a name that the file's author has given
        elif isinstance(part, str):
            fields = [m.model_fields[part] for m in models if part in m.model_fields]
            models = [found for field in fields for found in _models_in(field.annotation)]
            in_table = any(get_origin(field.annotation) in (dict, Mapping) for field in fields)
    return [m for m in models if isinstance(at, dict) and at.get("type") in _types_of(m)] or models


def _types_of(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("type")
    return () if field is None else get_args(field.annotation)


def _suggestion(location: list[int | str], model: type[BaseModel], table: dict[str, Any]) -> str:
    known = sorted({name for m in _candidates(location, model, table) for name in m.model_fields})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(known)}"


def _description(location: list[int | str], model: type[BaseModel], table: dict[str, Any]) -> str:
    for candidate in _candidates(location, model, table):
        field = candidate.model_fields.get(str(location[-1]))
        if field is not None and field.description:
            return field.description
    return ""

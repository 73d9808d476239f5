"""The published schemas (``schema/*.json``), and a validator of the part of JSON Schema 2020-12
that they use.

The validator has no dependencies, so it runs in the page as well; each schema is compiled once into
closures. It is stricter than JSON Schema in one point: ``1.0`` is no integer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeAlias

from strandline.drift.tally import WireError

__all__ = [
    "PROFILE",
    "REFERENCE",
    "REPORT",
    "RESULT",
    "SESSIONS",
    "WireError",
    "canonical",
    "check",
    "schema",
]

PROFILE: Final = "profile-1"
REPORT: Final = "report-1"
REFERENCE: Final = "reference-1"
RESULT: Final = "drift-1"
SESSIONS: Final = "sessions-1"

Check: TypeAlias = Callable[[Any, str], None]

_FOLDER: Final = Path(__file__).parent / "schema"
_ANNOTATIONS: Final = frozenset({"$schema", "$id", "$defs", "title", "description"})


def canonical(document: Any) -> str:
    """The one JSON text of a document: keys sorted, no spaces, ASCII only."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


@cache
def schema(name: str) -> dict[str, Any]:
    """A published schema by name, such as ``"profile-1"``."""
    document: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return document


def check(document: Any, name: str) -> None:
    """Raise `WireError`, which names the place, unless `document` is as the schema `name` says."""
    _compiled(name, "")(document, "$")


@cache
def _compiled(name: str, pointer: str) -> Check:
    node: Any = schema(name)
    for key in filter(None, pointer.split("/")):
        node = node[key]
    return _compile(node, name)


def _compile(node: Mapping[str, Any], home: str) -> Check:
    keywords = {_PARTNERS.get(keyword, keyword) for keyword in node.keys() - _ANNOTATIONS}
    checks = [_KEYWORDS[keyword](node, home) for keyword in _KEYWORDS if keyword in keywords]
    if len(checks) == 1:
        return checks[0]

    def check_all(value: Any, place: str) -> None:
        for one in checks:
            one(value, place)

    return check_all


def _reference(node: Mapping[str, Any], home: str) -> Check:
    file, _, pointer = node["$ref"].partition("#")
    name = file.removesuffix(".json") or home
    return lambda value, place: _compiled(name, pointer)(value, place)


def _type(node: Mapping[str, Any], home: str) -> Check:
    wanted = node["type"]
    types = _TYPES[wanted] if isinstance(wanted, str) else sum(map(_TYPES.__getitem__, wanted), ())

    def check_type(value: Any, place: str) -> None:
        if type(value) not in types or (type(value) is float and not isfinite(value)):
            raise WireError(f"{place}: must be of type {wanted}")

    return check_type


def _one_of_values(node: Mapping[str, Any], home: str) -> Check:
    values = node["enum"] if "enum" in node else [node["const"]]

    def check_value(value: Any, place: str) -> None:
        if value not in values:
            raise WireError(f"{place}: must be {' or '.join(map(repr, values))}")

    return check_value


def _properties(node: Mapping[str, Any], home: str) -> Check:
    known = {key: _compile(sub, home) for key, sub in node.get("properties", {}).items()}
    additional = node.get("additionalProperties", True)
    others = _compile(additional, home) if isinstance(additional, dict) else None

    def check_properties(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            return
        for key, item in value.items():
            one = known.get(key, others)
            if one is not None:
                one(item, f"{place}.{key[:60]}")
            elif additional is False:
                raise WireError(f"{place}: has {key[:60]!r}, which the schema does not know")

    return check_properties


def _property_names(node: Mapping[str, Any], home: str) -> Check:
    name = _compile(node["propertyNames"], home)

    def check_names(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key in value:
                name(key, f"{place} (name)")

    return check_names


def _required(node: Mapping[str, Any], home: str) -> Check:
    keys = node["required"]

    def check_required(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key in keys:
                if key not in value:
                    raise WireError(f"{place}: lacks {key!r}")

    return check_required


def _items(node: Mapping[str, Any], home: str) -> Check:
    one = _compile(node["items"], home)

    def check_items(value: Any, place: str) -> None:
        if isinstance(value, list):
            for i, item in enumerate(value):
                one(item, f"{place}[{i}]")

    return check_items


def _size(
    least: str, most: str, kind: type, noun: str
) -> Callable[[Mapping[str, Any], str], Check]:
    def build(node: Mapping[str, Any], home: str) -> Check:
        low, high = node.get(least, 0), node.get(most, float("inf"))

        def check_size(value: Any, place: str) -> None:
            if isinstance(value, kind) and not low <= len(value) <= high:  # type: ignore[arg-type]
                raise WireError(f"{place}: has {len(value)} {noun}, not {low} to {high}")  # type: ignore[arg-type]

        return check_size

    return build


def _range(node: Mapping[str, Any], home: str) -> Check:
    low, high = node.get("minimum", -float("inf")), node.get("maximum", float("inf"))

    def check_range(value: Any, place: str) -> None:
        if type(value) in (int, float) and not low <= value <= high:
            raise WireError(f"{place}: must lie between {low} and {high}")

    return check_range


def _pattern(node: Mapping[str, Any], home: str) -> Check:
    pattern = re.compile(node["pattern"].removeprefix("^").removesuffix("$"))

    def check_pattern(value: Any, place: str) -> None:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise WireError(f"{place}: {value[:60]!r} is not of the form {pattern.pattern}")

    return check_pattern


def _one_of(node: Mapping[str, Any], home: str) -> Check:
    choices = [_compile(sub, home) for sub in node["oneOf"]]

    def check_one_of(value: Any, place: str) -> None:
        fitting = 0
        reasons = []
        for choice in choices:
            try:
                choice(value, place)
                fitting += 1
            except WireError as error:
                reasons.append(str(error))
        if fitting != 1:
            raise WireError(" or ".join(reasons) or f"{place}: fits more than one form")

    return check_one_of


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}

_KEYWORDS: Final[dict[str, Callable[[Mapping[str, Any], str], Check]]] = {
    "$ref": _reference,
    "type": _type,
    "enum": _one_of_values,
    "const": _one_of_values,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "maxProperties": _size("minProperties", "maxProperties", dict, "properties"),
    "items": _items,
    "maxItems": _size("minItems", "maxItems", list, "items"),
    "maxLength": _size("minLength", "maxLength", str, "characters"),
    "minimum": _range,
    "pattern": _pattern,
    "oneOf": _one_of,
}
_PARTNERS: Final = {
    "additionalProperties": "properties",
    "minProperties": "maxProperties",
    "minItems": "maxItems",
    "minLength": "maxLength",
    "maximum": "minimum",
}
"""keywords that are read together with another one"""

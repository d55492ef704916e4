"""What the JSON files of an archive look like, as JSON Schema: from the registry and the database's types."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from store.postgres.exports import Read, Shape
from store.privacy.exports.names import member
from store.privacy.exports.packing import File
from store.privacy.exports.transcripts import Transcript
from store.privacy.registry import Table

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
TYPES: Final[dict[str, dict[str, Any]]] = {
    "bigint": {"type": "integer"},
    "integer": {"type": "integer"},
    "smallint": {"type": "integer"},
    "numeric": {"type": "string", "description": "a decimal number"},
    "double precision": {"type": "number"},
    "real": {"type": "number"},
    "boolean": {"type": "boolean"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
    "timestamp with time zone": {"type": "string", "format": "date-time"},
    "text": {"type": "string"},
    "bytea": {"type": "string", "description": "bytes in hexadecimal digits"},
    "jsonb": {},
    "ARRAY": {"type": "array"},
}
"""By the name that the database has for a type; any other is text."""


def document(tables: Iterable[Table], found: Sequence[Shape]) -> bytes:
    """`schema.json`: a schema for each file, by its path; `transcripts/*.json` is that of them all."""
    by_place = {(shape.table_name, shape.column_name): shape for shape in found}
    files = {member("data", table.name, "json"): _of_table(table, by_place) for table in tables}
    files["access-reads.json"] = _of_struct(list[Read])
    files["transcripts/*.json"] = _of_struct(Transcript)
    files["manifest.json"] = _manifest()
    return msgspec.json.format(msgspec.json.encode(files), indent=1) + b"\n"


def _of_table(table: Table, by_place: dict[tuple[str, str], Shape]) -> dict[str, Any]:
    properties = {name: _of_column(table, name, by_place.get((table.name, name))) for name in table.shown}
    return {
        "$schema": DRAFT,
        "title": table.name,
        "description": f"{table.holds.en} / {table.holds.fr}",
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def _of_column(table: Table, name: str, shape: Shape | None) -> dict[str, Any]:
    """A value that is sealed is text once it is opened, or null where nobody can open it any more."""
    if table.columns[name].sealed is not None:
        return {"type": ["string", "null"]}
    if shape is None:
        return {}
    told = dict(TYPES.get(shape.data_type, {"type": "string"}))
    if shape.nullable and "type" in told:
        told["type"] = [told["type"], "null"]
    return told


def _of_struct(kind: Any) -> dict[str, Any]:
    return {"$schema": DRAFT, **msgspec.json.schema(kind)}


def _manifest() -> dict[str, Any]:
    return {
        "$schema": DRAFT,
        "type": "object",
        "properties": {
            "format": {"type": "integer"},
            "person_id": {"type": "string", "format": "uuid"},
            "made_at_ms": {"type": "integer"},
            "files": {"type": "array", "items": msgspec.json.schema(File)["$defs"]["File"]},
        },
        "required": ["format", "person_id", "made_at_ms", "files"],
        "additionalProperties": False,
    }

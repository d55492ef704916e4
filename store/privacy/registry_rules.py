"""What must hold within the registry, so that whatever is derived from it can rely on it."""

from collections.abc import Iterator

from store.privacy.registry_types import Registry, Table


def problems(registry: Registry) -> Iterator[str]:
    """A line for everything that does not fit together: which table, which column, and what."""
    for table in registry.tables.values():
        yield from _of_table(table, registry)
        for name in table.columns:
            yield from (f"{table.name}.{name}: {problem}" for problem in _of_column(table, name))
        yield from _of_people(table)
    for family in registry.families.values():
        if family.purpose not in registry.purposes:
            yield f"{family.name}: no purpose {family.purpose}"
        if family.person == (family.erased == "nobody"):
            yield f"{family.name}: a key about a person is unlinked or expires"


def _of_table(table: Table, registry: Registry) -> Iterator[str]:
    if table.purpose not in registry.purposes:
        yield f"{table.name}: no purpose {table.purpose}"
    if table.whose and table.through:
        yield f"{table.name}: rows are a person's by a column or by a parent, not both"
    for name in table.whose:
        if name not in table.columns or not table.columns[name].person:
            yield f"{table.name}: whose {name}, which is no column with a person"
    for name in table.key:
        if name not in (table.shown or table.columns):
            yield f"{table.name}: its key {name} is no column that can be read"
    if table.ages_by is not None and table.ages_by not in table.columns:
        yield f"{table.name}: ages by {table.ages_by}, which is no column"
    if table.through is not None:
        yield from _of_parent(table, registry)
    yield from _of_age(table, registry)


def _of_parent(table: Table, registry: Registry) -> Iterator[str]:
    way = table.parent
    above = registry.tables.get(way.parent) if way is not None else None
    if way is None or above is None or not above.personal:
        yield f"{table.name}: through {table.through!r} leads to no table of people's"
    elif not (set(way.columns) <= table.columns.keys() and set(way.references) <= above.columns.keys()):
        yield f"{table.name}: through {table.through!r} names a column that is not there"


def _of_age(table: Table, registry: Registry) -> Iterator[str]:
    elder = table.elder
    above = None if elder is None else registry.tables.get(elder.parent)
    if table.ages_with is not None and (above is None or above.ages_by is None):
        yield f"{table.name}: it is as old as {table.ages_with!r}, which has no age"
    if table.expires != "never" and table.ended_by is None and table.ages_by is None and elder is None:
        yield f"{table.name}: it expires, and nothing says how old it is"
    if table.own_key and table.key != ("id",):
        yield f"{table.name}: a key of its own goes by its id"


def _of_column(table: Table, name: str) -> Iterator[str]:
    column, about = table.columns[name], table.about(name)
    if about is not None and about not in table.columns:
        yield f"about {about}, which is no column"
    if column.becomes is not None and column.erased != "empty":
        yield "what it becomes is for what is emptied"
    if column.person and column.erased in ("nobody", "shred"):
        yield "an id of a person goes with its row, becomes another, or stays with a reason"
    if (table.personal or column.person) and column.why is None:
        if column.erased == "keep":
            yield "it stays after an erasure, and nobody says why"
        if not column.shown:
            yield "it is not shown, and nobody says why"
    if not table.personal and not column.person and column.erased not in ("nobody", "keep"):
        yield "it is erased with a person, and the table is nobody's"


def _of_people(table: Table) -> Iterator[str]:
    """Of what is about one person, all goes or none."""
    ways: dict[str | None, set[bool]] = {}
    for name, column in table.columns.items():
        if column.erased != "nobody":
            ways.setdefault(table.about(name), set()).add(column.erased == "row")
    for about, found in ways.items():
        if len(found) > 1:
            whom = about or "the person"
            yield f"{table.name}: of what is about {whom}, some goes with its row and some does not"

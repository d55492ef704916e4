"""Every column and every key that is stored is in the registry, and the check that says so can fail."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from config.retention import periods
from hub.data_map import made
from hub.words import LANGUAGES
from sandbox.postgres import PostgresAddress
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.privacy import bindings, registry
from store.privacy.registered import of_families, problems
from store.privacy.registry import Family, Registry, RegistryError, Table
from store.privacy.vendors import vendors

TABLES = list(registry.load().tables.values())
EMPTIED = [
    (table.name, name, column.becomes or "null")
    for table in TABLES
    for name, column in table.columns.items()
    if column.erased == "empty"
]


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def owner(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    opened = await connect(database.owner_dsn, size=1)
    yield opened
    await opened.close()


async def test_everything_stored_is_registered_and_nothing_else(database: PostgresAddress) -> None:
    pool = await connect(database.hub_dsn, size=1)
    assert await problems(pool) == []
    await pool.close()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "alter table people add column shoe_size integer",
            "people.shoe_size: the column is not in the registry",
        ),
        ("alter table cards drop column brand", "cards.brand: registered, and there is no such column"),
        ("create table diaries (id uuid primary key)", "diaries: the table is not in the registry"),
        ("drop table fraud_progress", "fraud_progress: registered, and there is no such table"),
        (
            "grant select (wrapped) on subject_keys to authenticated",
            "subject_keys.wrapped: people may read it, and the registry does not show it",
        ),
        (
            "revoke select on consents from authenticated;"
            " grant select (id, person_id, purpose, granted) on consents to authenticated",
            "consents.at_ms: the registry shows it, and people may not read it",
        ),
        (
            "alter table consents drop constraint consents_pkey cascade, add primary key (person_id, id)",
            "consents: its primary key is another than id",
        ),
    ],
)  # fmt: skip
async def test_the_check_names_what_differs(owner: asyncpg.Pool, change: str, problem: str) -> None:
    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        before = await problems(connection)
        await connection.execute(change)
        assert set(await problems(connection)) - set(before) == {problem}
        await transaction.rollback()


def test_the_check_names_keys_that_differ() -> None:
    families = dict(registry.load().families)
    known = families.pop("seen")
    assert list(of_families(families)) == ["seen: the key is not in the registry"]
    more = {**families, "seen": known, "gone": known}
    assert "gone: registered, and there is no such key" in list(of_families(more))
    assert "seen: seen:{b01}" in " ".join(of_families(more))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_it_names_is_there(table: Table) -> None:
    assert table.retention in periods()
    for column in table.columns.values():
        assert column.sealed is None or callable(getattr(bindings, column.sealed))
        # What ends with the key of whom it is about is sealed.
        assert column.erased != "shred" or column.sealed is not None


def test_periods_of_keys_are_there() -> None:
    assert {family.retention for family in registry.load().families.values()} <= periods().keys()


@pytest.mark.parametrize(("table", "column", "becomes"), EMPTIED)
async def test_what_it_becomes_is_understood(
    owner: asyncpg.Pool, table: str, column: str, becomes: str
) -> None:
    await owner.execute(f'explain update "{table}" set "{column}" = {becomes}')


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_data_map_speaks_of_all_of_it(language: str) -> None:
    told = made("fr" if language == "fr" else "en", registry.load(), periods())
    kept = {one.name for part in told.categories for one in part.kept}
    live = {one.name for part in told.categories for one in part.live}
    assert kept == registry.load().tables.keys()
    assert live == registry.load().families.keys()
    assert {vendor.name for vendor in told.vendors} == {one.name for one in vendors().values()}
    for part in told.categories:
        for one in part.kept:
            assert one.erased
            assert one.not_shown is not None or not (one.yours and one.hidden)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_data_map_names_no_days_for_what_nothing_ends(language: str) -> None:
    told = made("fr" if language == "fr" else "en", registry.load(), periods())
    found = {one.name: one for part in told.categories for one in part.kept}
    for table in registry.load().tables.values():
        if table.expires == "never" and not table.personal:
            said = periods()[table.retention]
            assert found[table.name].days is None, table.name
            if said.ends != "never":
                assert found[table.name].how_long not in (said.says.en, said.says.fr), table.name


def test_no_sentence_was_left_untranslated() -> None:
    found = registry.load()
    kinds: list[Table | Family] = [*found.tables.values(), *found.families.values()]
    for one in kinds:
        assert one.holds.en != one.holds.fr, one.name
    for purpose in found.purposes.values():
        assert purpose.en != purpose.fr


# What a registry refuses.


def changed(tmp_path: Path, file: str, old: str, new: str) -> Path:
    folder = tmp_path / "registry"
    shutil.copytree(registry.FOLDER, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("people.toml", 'role = { erased = "row" }', 'role = { erased = "burnt" }', "people.toml: people"),
        ("people.toml", 'purpose = "account"', 'purpose = "fun"', "people: no purpose fun"),
        ("people.toml", 'category = "account"', 'category = "gossip"', "people.toml: people"),
        ("people.toml", 'whose = ["id"]', 'whose = ["name"]', "people: whose name"),
        ("people.toml", 'key = ["id"]', 'key = ["no"]', "people: its key no"),
        (
            "people.toml", 'name = { erased = "row" }', 'name = { erased = "keep" }',
            "people.name: it stays after an erasure, and nobody says why",
        ),
        (
            "people.toml", 'name = { erased = "row" }', 'name = { erased = "empty", becomes = "\'x\'" }',
            "people: of what is about id, some goes with its row and some does not",
        ),
        (
            "money.toml", 'last4 = { erased = "row" }', 'last4 = { erased = "row", becomes = "\'0000\'" }',
            "cards.last4: what it becomes is for what is emptied",
        ),
        (
            "sessions.toml", 'user_id = { erased = "pseudonym", person = true }',
            'user_id = { erased = "nobody", person = true }', "participants.user_id: an id of a person",
        ),
        (
            "sessions.toml", "-> participants (session_id)", "-> epochs (epoch)",
            "leads to no table of people's",
        ),
        ("sessions.toml", "-> participants (session_id)", "-> participants (id)", "that is not there"),
        ("safety.toml", 'points = { erased = "row" }', 'points = { erased = "row", shown = false }',
            "strikes.points: it is not shown, and nobody says why"),
        ("technical.toml", "[epochs]", "[people]", "stands in two files"),
        ("live_store.toml", "person = false", "person = true", "a key about a person is unlinked or expires"),
        ("fraud.toml", "[fraud_progress]", "[fraud_progress", "fraud.toml"),
    ],
)  # fmt: skip
def test_a_registry_that_is_not_whole_is_refused(
    tmp_path: Path, file: str, old: str, new: str, problem: str
) -> None:
    with pytest.raises(RegistryError) as refused:
        registry.read(changed(tmp_path, file, old, new))
    assert any(problem in line for line in refused.value.problems), refused.value.problems


def test_what_stays_or_is_not_shown_has_the_words_of_its_table() -> None:
    found: Registry = registry.load()
    settled = found.tables["settlements"]
    assert settled.keeps is not None
    assert settled.columns["total_minor"].why == settled.keeps.en
    marked = found.tables["fraud_cards"]
    assert marked.hides is not None
    assert marked.columns["fingerprint"].why == marked.hides.en

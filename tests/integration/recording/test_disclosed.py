"""Before Agora is asked to record, it is on record for both people that it was."""

from tests.integration.recording.stage import Stage


async def test_both_are_told_that_agora_records(stage: Stage) -> None:
    pool = stage.counter.pool
    query = "select person_id::text, fields, times from disclosures where purpose = 'recording'"
    assert await stage.want() is not None
    assert await pool.fetch(query) == []
    await stage.duty().run_once()
    told = {row["person_id"]: (row["fields"], row["times"]) for row in await pool.fetch(query)}
    assert told == dict.fromkeys((stage.host, stage.guest), (["recordings.channel", "recordings.uid"], 1))

-- Corrections of a profile, and how they reach those who have it already. Times are Unix milliseconds.

-- name: correct
-- $1 id, $2 version seen, $3 name, $4 country, $5 phone, $6 language, $7 born_on, $8 adult. No row: it is stale.
update people set name = $3, country = $4, phone = $5, language = $6, born_on = $7, adult = $8,
    version = version + 1
where id = $1 and version = $2
returning version

-- name: correct_birth
-- $1 id, $2 born_on. As an admin corrects it; without one, what was attested counts no more either.
update people set born_on = $2, adult = adult and $2::date is not null, version = version + 1 where id = $1
returning version

-- name: want_telling
-- $1 person_id, $2 version, $3 now_ms, $4 next_at_ms. A later correction takes the place of the one before.
insert into corrections (person_id, version, at_ms, next_at_ms) values ($1, $2, $3, $4)
on conflict (person_id) do update set version = excluded.version, told = false, attempts = 0,
    at_ms = excluded.at_ms, next_at_ms = excluded.next_at_ms

-- name: note_told
-- $1 person_id, $2 version. The people who are there have heard it.
update corrections set told = true where person_id = $1 and version = $2

-- name: due_corrections
-- $1 now_ms, $2 lease_until_ms, $3 limit. Taken on until then, so that two workers do not do the same.
update corrections set next_at_ms = $2, attempts = attempts + 1
where person_id in (
    select person_id from corrections where next_at_ms <= $1 order by next_at_ms limit $3 for update skip locked
)
returning person_id, version, told, attempts

-- name: close_correction
-- $1 person_id, $2 version. Done; unless a later one has come.
delete from corrections where person_id = $1 and version = $2

-- name: put_off_correction
-- $1 person_id, $2 version, $3 next_at_ms
update corrections set next_at_ms = $3 where person_id = $1 and version = $2

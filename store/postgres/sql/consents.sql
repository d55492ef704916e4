-- What people agreed to: one row a decision, of which the last holds. Times are Unix milliseconds.

-- name: note_consent
-- $1 person_id, $2 purpose, $3 granted, $4 now_ms. No row: that is what holds already.
insert into consents (person_id, purpose, granted, at_ms)
select $1, $2, $3, $4
where $3::boolean is distinct from coalesce(
    (select granted from consents where person_id = $1 and purpose = $2 order by id desc limit 1), false
)
returning id

-- name: granted
-- $1 person_id, $2 purpose
select granted from consents where person_id = $1 and purpose = $2 order by id desc limit 1

-- name: own_consents (as authenticated)
-- $1 limit. The latest decisions first.
select id, purpose, granted, at_ms from consents order by id desc limit $1

-- name: standing_consents (as authenticated)
select distinct on (purpose) id, purpose, granted, at_ms from consents order by purpose, id desc

-- name: lock_consents
-- $1 person_id. Two decisions of one person at once take turns.
select pg_advisory_xact_lock(hashtextextended('consents:' || $1::uuid::text, 0))

-- name: share_consents
-- $1 person_id. What holds for this person stays so until the end of the transaction: whoever decides waits for it.
select pg_advisory_xact_lock_shared(hashtextextended('consents:' || $1::uuid::text, 0))

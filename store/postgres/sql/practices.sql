-- What practitioners offer, and how guests become practitioners. Times are Unix milliseconds.

-- name: own_practice
-- $1 practitioner_id
select practitioner_id, headline, topics, rate_minor_per_minute, currency, free_s, accepts_instant,
    transfers_active, verified_at_ms, version
from practices where practitioner_id = $1

-- name: change_practice
-- $1 practitioner_id, $2 version seen, $3 headline, $4 topics, $5 rate, $6 currency, $7 free_s, $8 accepts_instant.
-- No row: it is stale.
update practices set headline = $3, topics = $4, rate_minor_per_minute = $5, currency = $6, free_s = $7,
    accepts_instant = $8, version = version + 1
where practitioner_id = $1 and version = $2
returning version

-- name: apply
-- $1 id, $2 person_id, sealed $3 headline, $4 about and $5 topics, $6 rate, $7 currency, $8 now_ms. No row: one is
-- open.
insert into applications (id, person_id, headline, about, topics, rate_minor_per_minute, currency, state,
                          created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, 'pending', $8)
on conflict (person_id) where state in ('pending', 'approved') do nothing
returning id

-- name: applications
-- $1 state or null, $2 before this id or null, $3 limit. The newest first.
select applications.id, person_id, people.name, people.email, headline, about, topics, rate_minor_per_minute,
    currency, state, applications.created_at_ms, decided_by, decided_at_ms, reason
from applications join people on people.id = person_id
where ($1::text is null or state = $1) and ($2::uuid is null or applications.id < $2)
order by applications.id desc
limit $3

-- name: application
-- $1 id
select applications.id, person_id, people.name, people.email, headline, about, topics, rate_minor_per_minute,
    currency, state, applications.created_at_ms, decided_by, decided_at_ms, reason
from applications join people on people.id = person_id
where applications.id = $1

-- name: latest_application
-- $1 person_id
select applications.id, person_id, people.name, people.email, headline, about, topics, rate_minor_per_minute,
    currency, state, applications.created_at_ms, decided_by, decided_at_ms, reason
from applications join people on people.id = person_id
where person_id = $1
order by applications.id desc
limit 1

-- name: decide
-- $1 id, $2 state, $3 decided_by, $4 sealed reason, $5 now_ms. No row: it is decided.
update applications set state = $2, decided_by = $3, reason = $4, decided_at_ms = $5
where id = $1 and state = 'pending'
returning id

-- name: begin_practice
-- $1 practitioner_id, $2 headline, $3 topics, $4 rate, $5 currency. What was applied for, not yet verified; an old
-- practice of theirs is taken up again.
insert into practices (practitioner_id, headline, topics, rate_minor_per_minute, currency)
values ($1, $2, $3, $4, $5)
on conflict (practitioner_id) do update set headline = excluded.headline, topics = excluded.topics,
    rate_minor_per_minute = excluded.rate_minor_per_minute, currency = excluded.currency,
    version = practices.version + 1

-- name: approved
-- $1 limit. Whose role has still to be set, the oldest first.
select id, person_id from applications where state = 'approved' order by decided_at_ms limit $1

-- name: finish
-- $1 id. No row: somebody else did.
update applications set state = 'done' where id = $1 and state = 'approved' returning person_id

-- name: verify
-- $1 practitioner_id, $2 now_ms
update practices set verified_at_ms = $2 where practitioner_id = $1 and verified_at_ms is null

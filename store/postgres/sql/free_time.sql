-- Free seconds: once a person and once a card. A grant stands until it is used, which is for good, or released.

-- name: release_stale
-- $1 guest_id, $2 card's mark, $3 now_ms, $4 before. Grants of requests that never became sessions.
update free_grants set released_at_ms = $3
where released_at_ms is null and used_at_ms is null and (guest_id = $1 or fingerprint = $2)
    and granted_at_ms < $4 and not exists (select from sessions where sessions.id = free_grants.session_id)
    and not exists (
        select from bookings
        where bookings.id = free_grants.session_id and bookings.state in ('booked', 'started')
    )

-- name: grant_free
-- $1 session_id, $2 guest_id, $3 card's mark, $4 now_ms. Of two at once, also from two accounts with one card,
-- the unique indexes let one through.
with granted as (
    insert into free_grants (session_id, guest_id, fingerprint, granted_at_ms) values ($1, $2, $3, $4)
    on conflict do nothing
    returning session_id
)
select exists (select from granted) or exists (
    select from free_grants where session_id = $1 and guest_id = $2 and released_at_ms is null
)

-- name: had_free
-- $1 guest_id, $2 card's mark or null: whether person or card has a grant.
select exists (
    select from free_grants where released_at_ms is null and (guest_id = $1 or fingerprint = $2)
)

-- name: close_grant
-- $1 session_id, $2 guest_id, $3 whether it was used, $4 now_ms
update free_grants set used_at_ms = case when $3 then $4::bigint end,
    released_at_ms = case when not $3 then $4::bigint end
where session_id = $1 and guest_id = $2 and used_at_ms is null and released_at_ms is null

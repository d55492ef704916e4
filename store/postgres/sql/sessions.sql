-- Sessions and who takes part. Times are Unix milliseconds, money minor units.

-- name: save_session
-- $1 id, $2 kind, $3 state, $4 practitioner_id, $5 seats, $6 price_kind, $7 currency, $8 rate_minor_per_minute,
-- $9 free_ms, $10 fee_bps, $11 minimum_minor, $12 cap_minor, $13 requested_at_ms, $14 offered_at_ms,
-- $15 accepted_at_ms, $16 live_at_ms, $17 ended_at_ms, $18 end_reason, $19 version, $20 transcript_head,
-- $21 message_count, and of each participant $22 no, $23 user_id, $24 role.
-- The row is locked also where it is newer and stays as it is, so that settlements of one session take turns.
with saved as (
    insert into sessions as kept (
        id, kind, state, practitioner_id, seats, price_kind, currency, rate_minor_per_minute, free_ms, fee_bps,
        minimum_minor, cap_minor, requested_at_ms, offered_at_ms, accepted_at_ms, live_at_ms, ended_at_ms,
        end_reason, version, transcript_head, message_count
    ) values (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
    )
    on conflict (id) do update set
        state = excluded.state, offered_at_ms = excluded.offered_at_ms, accepted_at_ms = excluded.accepted_at_ms,
        live_at_ms = excluded.live_at_ms, ended_at_ms = excluded.ended_at_ms, end_reason = excluded.end_reason,
        cap_minor = excluded.cap_minor, version = excluded.version, transcript_head = excluded.transcript_head,
        message_count = excluded.message_count
    where kept.version <= excluded.version and kept.state <> 'settled' and kept.transcript_head is null
), followed as (
    -- A booking becomes what its session came to, in the same breath.
    -- Once its lobby was open its people were told by their session; before that they have to be told of it.
    update bookings set version = version + 1, ended_at_ms = $17, end_reason = $18, changed_at_ms = $17,
        told_version = case when $14::bigint is null then told_version else version + 1 end,
        state = case when $3 in ('ended', 'settled') then 'done'
                     when $18 in ('guest_no_show', 'practitioner_no_show', 'nobody_came') then 'missed'
                     else 'cancelled' end
    where id = $1 and $2 = 'booked' and bookings.state in ('booked', 'started')
        and $3 in ('declined', 'expired', 'cancelled', 'ended', 'settled')
)
insert into participants (session_id, no, user_id, role)
select $1, part.* from unnest($22::integer[], $23::uuid[], $24::text[]) as part
on conflict do nothing

-- name: mark_settled
-- $1 id, $2 now_ms. No row: it is not on record for all its guests, or was marked before.
update sessions set state = case state when 'ended' then 'settled' else state end, settled_at_ms = $2
where id = $1 and settled_at_ms is null and transcript_head is not null and not exists (
    select from participants
    left join settlements on settlements.session_id = participants.session_id
        and settlements.participant_no = participants.no
    where participants.session_id = $1 and participants.no > 0 and settlements.session_id is null
)
returning id

-- name: state
-- $1 id. What Postgres knows; a rebuilt room in Redis yields to `ended` and `settled`.
select state from sessions where id = $1

-- name: session (as authenticated)
-- $1 id. With the first guest, as every session but a live room has exactly one.
select sessions.id, kind, state, sessions.version, practitioner_id, coalesce(host.name, '') as practitioner_name,
    asker.user_id as guest_id, guest.name as guest_name, seats, price_kind, currency, rate_minor_per_minute,
    free_ms, minimum_minor, cap_minor, requested_at_ms, live_at_ms, ended_at_ms, end_reason, transcript_head
from sessions
left join people host on host.id = practitioner_id
left join participants asker on asker.session_id = sessions.id and asker.no = 1 and kind <> 'live_room'
left join people guest on guest.id = asker.user_id
where sessions.id = $1

-- name: history (as authenticated)
-- $1 user_id (their own), $2 before this id or null, $3 limit, $4 younger than this. The newest first.
select sessions.id, kind, state, sessions.version, practitioner_id, coalesce(host.name, '') as practitioner_name,
    asker.user_id as guest_id, guest.name as guest_name, seats, price_kind, currency, rate_minor_per_minute,
    free_ms, minimum_minor, cap_minor, requested_at_ms, live_at_ms, ended_at_ms, end_reason, transcript_head
from participants mine
join sessions on sessions.id = mine.session_id
left join people host on host.id = practitioner_id
left join participants asker on asker.session_id = sessions.id and asker.no = 1 and kind <> 'live_room'
left join people guest on guest.id = asker.user_id
where mine.user_id = $1 and ($2::uuid is null or mine.session_id < $2) and requested_at_ms > $4
order by mine.session_id desc
limit $3

-- What rules about fraud see. Of each: $1 after, $2 up to (Unix milliseconds), and $3 whom it concerns, null for
-- everybody.

-- name: declined
-- A `code` that says that nothing was asked of a bank is no decline.
select payment_ops.session_id, part.user_id as guest_id, sessions.practitioner_id, fraud_cards.fingerprint as card,
    coalesce(first_sent_at_ms, payment_ops.created_at_ms) as at_ms
from payment_ops
join participants part on part.session_id = payment_ops.session_id and part.no = payment_ops.participant_no
join sessions on sessions.id = payment_ops.session_id
left join fraud_cards on fraud_cards.payment_method = payment_ops.params -> 'body' ->> 'payment_method'
where payment_ops.state = 'failed' and payment_ops.kind in ('hold', 'charge', 'tip')
    and outcome ->> 'status' = 'declined'
    and coalesce(outcome ->> 'code', '') not in ('abandoned', 'canceled', 'no_effect', 'replaced', 'not_due')
    and coalesce(first_sent_at_ms, payment_ops.created_at_ms) > $1
    and coalesce(first_sent_at_ms, payment_ops.created_at_ms) <= $2
    and ($3::uuid[] is null or part.user_id = any ($3))

-- name: asked
select sessions.id as session_id, part.user_id as guest_id, sessions.practitioner_id,
    coalesce(people.created_at_ms, 0) as since_ms, rate_minor_per_minute, cap_minor, requested_at_ms as at_ms
from sessions
join participants part on part.session_id = sessions.id and part.no > 0
left join people on people.id = part.user_id
where requested_at_ms > $1 and requested_at_ms <= $2 and ($3::uuid[] is null or part.user_id = any ($3))

-- name: billed
-- A message that was lost may have been anybody's.
select settlements.session_id, part.user_id as guest_id, sessions.practitioner_id, billed_ms,
    total_minor as charged_minor, promotion_minor, settlements.currency, settlements.created_at_ms as at_ms,
    exists (select from messages where messages.session_id = settlements.session_id
            and (participant_no = part.no or lost)) as guest_spoke,
    exists (select from messages where messages.session_id = settlements.session_id
            and (participant_no = 0 or lost)) as practitioner_spoke,
    (select coalesce(jsonb_agg(jsonb_build_array(from_ms, to_ms) order by ordinal), '[]') from intervals
     where intervals.session_id = settlements.session_id and intervals.participant_no = part.no and kind = 'billed'
    ) as billed,
    (select seen from media_checks checked
     where checked.session_id = settlements.session_id and checked.participant_no = part.no) as provider
from settlements
join participants part on part.session_id = settlements.session_id and part.no = settlements.participant_no
join sessions on sessions.id = settlements.session_id
where settlements.created_at_ms > $1 and settlements.created_at_ms <= $2
    and ($3::uuid[] is null
         or settlements.session_id in (select session_id from participants where user_id = any ($3)))

-- name: disputed
select disputes.session_id, part.user_id as guest_id, sessions.practitioner_id, opened_at_ms as at_ms
from disputes
join participants part on part.session_id = disputes.session_id and part.no = disputes.participant_no
join sessions on sessions.id = disputes.session_id
where opened_at_ms > $1 and opened_at_ms <= $2
    and ($3::uuid[] is null or sessions.practitioner_id = any ($3))

-- name: sightings
-- $4 how far back a crowd is counted. A sighting of the month before has as `mark` what this one has as `before`.
select person_id, kind, mark, before, at_ms, case when kind = 'browser' then 1 else (
    select count(distinct other.person_id) from fraud_sightings other
    where other.mark in (seen.mark, seen.before) and other.at_ms > seen.at_ms - $4::bigint
        and other.at_ms <= seen.at_ms
) end::integer as crowd
from fraud_sightings seen
where at_ms > $1 and at_ms <= $2 and ($3::uuid[] is null or person_id = any ($3))

-- name: saved
-- Cards that were saved earlier too, as long as they are the person's.
select person_id, fingerprint as card, saved_at_ms as at_ms from fraud_cards
where saved_at_ms > $1 and saved_at_ms <= $2 and ($3::uuid[] is null or person_id = any ($3))
union
select person_id, fingerprint, saved_at_ms from cards
where saved_at_ms <= $2 and ($3::uuid[] is null or person_id = any ($3))

-- name: moved
-- Another account, or another bank of the same one: the first bank of an account is no change.
select practitioner_id, at_ms from fraud_destinations
where at_ms > $1 and at_ms <= $2 and ($3::uuid[] is null or practitioner_id = any ($3))
union
select practices.practitioner_id, later.received_at_ms
from webhook_inbox later
join practices on practices.stripe_account = later.payload ->> 'account'
where later.type = 'account.external_account.created' and later.source = 'stripe-connect'
    and later.received_at_ms > $1 and later.received_at_ms <= $2
    and ($3::uuid[] is null or practices.practitioner_id = any ($3))
    and exists (
        select from webhook_inbox earlier
        where earlier.type = later.type and earlier.source = later.source
            and earlier.payload ->> 'account' = later.payload ->> 'account'
            and earlier.received_at_ms < later.received_at_ms and earlier.object_id <> later.object_id
    )

-- name: news
-- $1 after, $2 a day before that, $3 up to, $4 after this person or null, $5 limit: who has something new to look
-- at. Banks' answers and disputes may be noted later than they carry.
with told as (
    select part.user_id from sessions join participants part on part.session_id = sessions.id
    where requested_at_ms > $1 and requested_at_ms <= $3
    union
    select part.user_id from settlements join participants part on part.session_id = settlements.session_id
    where settlements.created_at_ms > $1 and settlements.created_at_ms <= $3
    union
    select part.user_id
    from payment_ops
    join participants part on part.session_id = payment_ops.session_id and part.no = payment_ops.participant_no
    where payment_ops.state = 'failed' and payment_ops.kind in ('hold', 'charge', 'tip')
        and coalesce(first_sent_at_ms, payment_ops.created_at_ms) > $2
        and coalesce(first_sent_at_ms, payment_ops.created_at_ms) <= $3
    union
    select sessions.practitioner_id from disputes join sessions on sessions.id = disputes.session_id
    where opened_at_ms > $2 and opened_at_ms <= $3
    union
    select person_id from fraud_cards where saved_at_ms > $2 and saved_at_ms <= $3
    union
    -- Comparing with the media vendor comes later than the settlement.
    select sessions.practitioner_id from media_checks join sessions on sessions.id = media_checks.session_id
    where checked_at_ms > $1 and checked_at_ms <= $3 and unseen_ms > 0
    union
    select practitioner_id from fraud_destinations where at_ms > $1 and at_ms <= $3
    union
    select practices.practitioner_id from webhook_inbox
    join practices on practices.stripe_account = payload ->> 'account'
    where type = 'account.external_account.created' and received_at_ms > $1 and received_at_ms <= $3
)
select user_id from told where $4::uuid is null or user_id > $4 order by user_id limit $5

-- name: neighbours
-- $1 people, $2 after, $3 limit: they, the practitioners whom they met, and who shares a card with them or, where
-- they were declined, a network.
select person_id from (
    select unnest($1::uuid[]) as person_id
    union
    select sessions.practitioner_id from participants mine
    join sessions on sessions.id = mine.session_id
    where mine.user_id = any ($1) and mine.no > 0 and sessions.requested_at_ms > $2
    union
    select other.person_id from fraud_cards mine
    join fraud_cards other on other.fingerprint = mine.fingerprint
    where mine.person_id = any ($1)
    union
    select other.person_id from fraud_sightings mine
    join fraud_sightings other on other.mark = mine.mark and other.kind = 'network' and other.at_ms > $2
    where mine.person_id = any ($1) and mine.kind = 'network' and mine.at_ms > $2
        and exists (
            select from participants part
            join payment_ops on payment_ops.session_id = part.session_id and payment_ops.participant_no = part.no
            where part.user_id = mine.person_id and part.no > 0 and payment_ops.state = 'failed'
        )
) found
limit $3

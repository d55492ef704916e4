-- No guest is billed a millisecond without both presences on record, nor before or after the session.
with metered as (
    select session_id, participant_no,
        range_agg(int8range(from_ms, to_ms)) filter (where kind = 'billed') as billed,
        range_agg(int8range(from_ms, to_ms)) filter (where kind = 'present') as present,
        sum(to_ms - from_ms) filter (where kind = 'billed') as billed_ms
    from intervals group by session_id, participant_no
)
select settlements.session_id, settlements.participant_no, settlements.billed_ms
from settlements
join sessions on sessions.id = settlements.session_id
join participants part on part.session_id = settlements.session_id and part.no = settlements.participant_no
left join metered guest on guest.session_id = settlements.session_id
    and guest.participant_no = settlements.participant_no
left join metered host on host.session_id = settlements.session_id and host.participant_no = 0
where coalesce(guest.billed_ms, 0) <> settlements.billed_ms
    or settlements.free_ms > settlements.billed_ms
    or (guest.billed is not null and not (
        guest.billed <@ coalesce(guest.present, '{}') and guest.billed <@ coalesce(host.present, '{}')
        -- One that was never live, or ended before it was noted as live, has no time to bill.
        and guest.billed <@ int8multirange(int8range(
            coalesce(sessions.live_at_ms, sessions.ended_at_ms),
            greatest(sessions.live_at_ms, coalesce(part.part_ended_at_ms, sessions.ended_at_ms))
        ))
    ))

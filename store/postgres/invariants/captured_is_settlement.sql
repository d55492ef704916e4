-- What was collected for a session's time is its settlement, once: never more; and when nothing is under way
-- any more, less only with a case about that very capture or charge.
with collected as (
    select session_id, participant_no,
        sum((outcome ->> 'amount_minor')::bigint) filter (where state = 'succeeded') as collected_minor,
        bool_and(state in ('succeeded', 'failed')) as over
    from payment_ops where kind in ('capture', 'charge') group by session_id, participant_no
)
select settlements.session_id, settlements.participant_no, total_minor,
    coalesce(collected_minor, 0) as collected_minor
from settlements
left join collected on collected.session_id = settlements.session_id
    and collected.participant_no = settlements.participant_no
where coalesce(collected_minor, 0) > total_minor
    or (coalesce(collected_minor, 0) < total_minor and coalesce(over, true)
        and not exists (
            select from cases
            where cases.session_id = settlements.session_id
                and kind in ('capture_failed', 'capture_differs', 'charge_failed', 'charge_differs',
                             'charge_given_up')
                and split_part(detail ->> 'operation', ':', 1) = settlements.participant_no::text
        ))

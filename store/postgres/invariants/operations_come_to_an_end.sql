-- $1 now, Unix milliseconds. Nothing is under way for two days without an open case about it.
select id as operation_id, session_id, kind, state, first_sent_at_ms
from payment_ops
where state in ('in_flight', 'unknown') and first_sent_at_ms < $1::bigint - 172800000
    and not exists (
        select from cases
        where cases.session_id = payment_ops.session_id and kind = 'payment_unknown' and closed_at_ms is null
            and (detail ->> 'operation_id')::bigint = payment_ops.id
    )

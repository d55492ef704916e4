-- $1 now, Unix milliseconds. Nothing is under way for two days without a case that tells of it.
select id as operation_id, session_id, kind, state, first_sent_at_ms
from payment_ops
where state in ('in_flight', 'unknown') and first_sent_at_ms < $1::bigint - 172800000
    and not exists (select from cases where cases.session_id = payment_ops.session_id)

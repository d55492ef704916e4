-- Nothing is collected for a session that was not settled.
select payment_ops.session_id, payment_ops.participant_no, payment_ops.kind, payment_ops.id as operation_id
from payment_ops
left join settlements on settlements.session_id = payment_ops.session_id
    and settlements.participant_no = payment_ops.participant_no
where payment_ops.kind in ('capture', 'charge') and settlements.session_id is null

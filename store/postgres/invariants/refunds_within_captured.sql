-- No guest gets back more than was collected from them.
select distinct session_id, participant_no, collected_minor(session_id, participant_no) as collected_minor,
    returned_minor(session_id, participant_no) as returned_minor
from deductions
where amount_minor > 0 and (
    select coalesce(sum(amount_minor), 0) from deductions given
    where given.session_id = deductions.session_id and given.participant_no = deductions.participant_no
        and not exists (
            select from payment_ops
            where payment_ops.session_id = given.session_id and payment_ops.kind = 'refund'
                and payment_ops.participant_no = given.participant_no and payment_ops.ordinal = given.ordinal
            having bool_and(payment_ops.state = 'failed')
        )
) > collected_minor(session_id, participant_no)

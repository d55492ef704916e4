-- $1 now, Unix milliseconds. Money is held for a session that runs or is about to be settled, or not for long.
select hold.id as operation_id, hold.session_id, hold.amount_minor, hold.currency
from payment_ops hold
where hold.kind = 'hold' and hold.state = 'succeeded'
    and hold.outcome ->> 'status' in ('placed', 'action_required')
    and hold.created_at_ms < $1::bigint - 3600000
    and not exists (
        select from payment_ops ended
        where ended.session_id = hold.session_id and ended.participant_no = hold.participant_no
            and ended.ordinal = hold.ordinal and ended.kind in ('capture', 'cancel')
            -- What failed ended nothing, unless it failed because the hold was over.
            and (ended.state <> 'failed' or ended.outcome ->> 'status' in ('captured', 'canceled'))
    )
    and not exists (select from checkpoints where checkpoints.session_id = hold.session_id)

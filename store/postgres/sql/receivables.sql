-- What guests owe: charges in place of a hold to which every card said no so far.

-- name: owed
-- $1 person_id: each part of a session that was refused at least once, and has not been paid since.
select charge.session_id, charge.participant_no, charge.ordinal, charge.currency,
    min(charge.amount_minor) as amount_minor,
    min(charge.next_at_ms) filter (where charge.state not in ('succeeded', 'failed')) as next_at_ms
from participants
join payment_ops charge on charge.session_id = participants.session_id
    and charge.participant_no = participants.no and charge.kind = 'charge'
where participants.user_id = $1 and participants.no > 0
group by charge.session_id, charge.participant_no, charge.ordinal, charge.currency
having not bool_or(charge.state = 'succeeded')
    and bool_or(charge.state = 'failed' and charge.outcome ->> 'code' is distinct from 'no_effect')
order by charge.session_id, charge.ordinal

-- name: debtor
-- $1 session_id, $2 participant_no: whose part it is.
select user_id from participants where session_id = $1 and no = $2

-- An operation that is over says what came of it, and one that took effect names its object at Stripe.
select id as operation_id, session_id, kind, state
from payment_ops
where (state in ('succeeded', 'failed') and outcome is null)
    or (state = 'succeeded' and stripe_id is null)
    or (state <> 'pending' and first_sent_at_ms is null and state <> 'failed')

-- What was wanted once took effect once, whatever number of attempts it needed.
select session_id, participant_no, kind, ordinal, count(*) as effects
from payment_ops where state = 'succeeded'
group by 1, 2, 3, 4
having count(*) > 1

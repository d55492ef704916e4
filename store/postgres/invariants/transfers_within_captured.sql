-- A practitioner never has more of a session than was collected for it and what the platform pays for its free time.
select session_id,
    sum((outcome ->> 'amount_minor')::bigint) filter (where kind = 'transfer') as transferred_minor,
    sum((outcome ->> 'amount_minor')::bigint) filter (where kind in ('capture', 'charge', 'tip')) as collected_minor,
    (select sum(promotion_minor) from settlements
     where settlements.session_id = payment_ops.session_id) as promotion_minor
from payment_ops where state = 'succeeded'
group by session_id
having coalesce(sum((outcome ->> 'amount_minor')::bigint) filter (where kind = 'transfer'), 0)
    - coalesce(sum((outcome ->> 'amount_minor')::bigint) filter (where kind = 'reversal'), 0)
    > coalesce(sum((outcome ->> 'amount_minor')::bigint) filter (where kind in ('capture', 'charge', 'tip')), 0)
    + coalesce((select sum(promotion_minor) from settlements
                where settlements.session_id = payment_ops.session_id), 0)

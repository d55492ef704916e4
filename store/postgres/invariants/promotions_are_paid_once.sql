-- Free time is paid for once: never more than the settlement says, by transfer or against a debt; and once its
-- transfer is over, less only with a case about that very transfer.
with paid as (
    select session_id, participant_no,
        sum((outcome ->> 'amount_minor')::bigint) filter (where state = 'succeeded') as sent_minor,
        bool_and(state in ('succeeded', 'failed')) as over
    from payment_ops
    where kind = 'transfer' and not jsonb_exists(params -> 'body', 'source_transaction')
    group by session_id, participant_no
), kept as (
    select session_id, participant_no, sum(practitioner_minor) as kept_minor
    from deductions where charge is null group by session_id, participant_no
), promised as (
    select session_id, participant_no, promotion_minor from settlements where promotion_minor > 0
)
select session_id, participant_no, coalesce(promotion_minor, 0) as promotion_minor,
    coalesce(sent_minor, 0) as sent_minor, coalesce(kept_minor, 0) as kept_minor
from promised
full join paid using (session_id, participant_no)
full join kept using (session_id, participant_no)
where coalesce(sent_minor, 0) + coalesce(kept_minor, 0) > coalesce(promotion_minor, 0)
    or (over and coalesce(sent_minor, 0) + coalesce(kept_minor, 0) < coalesce(promotion_minor, 0)
        and not exists (
            select from cases
            where cases.session_id = promised.session_id and kind in ('transfer_failed', 'transfer_differs')
                and detail ->> 'operation' like promised.participant_no || ':transfer:3001:%'
        ))

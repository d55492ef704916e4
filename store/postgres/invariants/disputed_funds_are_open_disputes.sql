-- What banks hold is what they are still deciding about.
with held as (
    select session_id, participant_no, sum(amount_minor) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where account = 'disputed_funds' group by session_id, participant_no
), deciding as (
    select session_id, participant_no, sum(amount_minor) as minor
    from disputes
    where closed_at_ms is null and status in ('needs_response', 'under_review')
    group by session_id, participant_no
)
select coalesce(held.session_id, deciding.session_id) as session_id, held.minor as held_minor,
    deciding.minor as deciding_minor
from held full join deciding on deciding.session_id = held.session_id
    and deciding.participant_no = held.participant_no
where coalesce(held.minor, 0) <> coalesce(deciding.minor, 0)

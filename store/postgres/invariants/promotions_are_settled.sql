-- The platform bears free time by a settlement alone: whatever its expense account has, some settlement says.
select booked.session_id, booked.participant_no, booked.minor as booked_minor, settlements.promotion_minor
from (
    select session_id, participant_no, sum(amount_minor) as minor
    from ledger_transactions join ledger_entries on transaction_id = ledger_transactions.id
    where account = 'platform_promotions'
    group by session_id, participant_no
) booked
left join settlements on settlements.session_id = booked.session_id
    and settlements.participant_no = booked.participant_no
where booked.minor <> coalesce(settlements.promotion_minor, 0)

-- A bill is its two parts, is never above its price, and stands in the ledger as it was settled; so does what the
-- platform pays for free time, which is owed for time that was free alone.
select settlements.session_id, settlements.participant_no, total_minor, fee_minor, practitioner_minor,
    promotion_minor
from settlements
where total_minor <> fee_minor + practitioner_minor
    or total_minor > subtotal_minor
    or (promotion_minor > 0 and free_ms = 0)
    or total_minor <> coalesce((
        select sum(amount_minor) from ledger_entries
        join ledger_transactions on ledger_transactions.id = transaction_id
        where ledger_transactions.session_id = settlements.session_id
            and ledger_transactions.participant_no = settlements.participant_no
            and ledger_transactions.kind = case settlements.kind when 'time' then 'settlement' else 'missed' end
            and account = 'guest_receivable'
    ), 0)
    or promotion_minor <> coalesce((
        select sum(amount_minor) from ledger_entries
        join ledger_transactions on ledger_transactions.id = transaction_id
        where ledger_transactions.session_id = settlements.session_id
            and ledger_transactions.participant_no = settlements.participant_no
            and ledger_transactions.kind = 'promotion' and account = 'platform_promotions'
    ), 0)

-- Debits are credits: each ledger transaction has entries, and they sum to zero in each currency.
select ledger_transactions.id as transaction_id, currency, sum(amount_minor) as sum_minor
from ledger_transactions left join ledger_entries on transaction_id = ledger_transactions.id
group by 1, 2
having coalesce(sum(amount_minor), 1) <> 0

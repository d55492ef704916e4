-- Nobody has had more kept from them than they owed.
select practitioner_id, ledger_entries.currency, sum(amount_minor) as debt_minor
from ledger_entries
join ledger_transactions on ledger_transactions.id = transaction_id
join sessions on sessions.id = session_id
where account = 'practitioner_debt'
group by practitioner_id, ledger_entries.currency
having sum(amount_minor) < 0

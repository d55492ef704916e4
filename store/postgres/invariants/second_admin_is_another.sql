-- Nobody approves their own refund, and every refund is on record as an admin's action.
select id as refund_id, session_id, requested_by, decided_by
from refunds
where decided_by = requested_by
    or not exists (select from admin_actions where subject = refunds.id::text and action = 'refund_requested')

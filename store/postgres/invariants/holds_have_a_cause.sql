-- Payouts are held by a rule and a person: a live finding, and a decision on record of somebody else than the one
-- whom it concerns.
select id as review_id, subject, decided_by
from fraud_reviews
where state in ('held', 'released') and (
    decided_by::text = subject
    or not exists (select from fraud_findings where review_id = fraud_reviews.id and mode = 'live')
    or not exists (
        select from admin_actions
        where admin_actions.subject = fraud_reviews.id::text and action = 'fraud_hold_payouts'
    )
)

-- What is left of somebody's payments after they were removed: amounts and opaque ids, but neither whose card it
-- was nor what rules about fraud had made of it.

comment on column free_grants.fingerprint is
    'The card as a keyed hash under DATA_KEY, never as Stripe names it: it outlives its owner''s removal, so that '
    'no card has free seconds twice.';

-- As definer, because what was asked of Stripe is frozen for everybody else. What may still be sent keeps its
-- words: a repeat under the same key has to be the same.
create function forget_payer(person uuid) returns void
    language sql security definer set search_path = '' as $$
    update public.payment_ops
    set params = jsonb_set(params, '{body}', (params -> 'body') - 'customer' - 'payment_method'
        || case when params -> 'body' ? 'payment_method' then '{"payment_method": "forgotten"}'::jsonb else '{}' end
        || case when params -> 'body' ? 'customer' then '{"customer": "forgotten"}'::jsonb else '{}' end)
    from public.participants
    where participants.user_id = person and participants.no > 0
        and payment_ops.session_id = participants.session_id and payment_ops.participant_no = participants.no
        and payment_ops.state in ('succeeded', 'failed')
        and params -> 'body' ?| array['customer', 'payment_method']
$$;

-- Findings and reviews about somebody and about cards that were theirs alone. What is held against a practitioner
-- stays: it says nothing but their id, and their payouts depend on it.
create function forget_findings(person uuid) returns void
    language sql security definer set search_path = '' as $$
    with theirs (kind, subject) as (
        select 'person', person::text
        union
        select 'card', mine.fingerprint from public.fraud_cards mine
        where mine.person_id = person and not exists (
            select from public.fraud_cards other
            where other.fingerprint = mine.fingerprint and other.person_id <> person
        )
    ), found as (
        delete from public.fraud_findings using theirs
        where (subject_kind, fraud_findings.subject) = (theirs.kind, theirs.subject)
            or (review_id is null and facts::text like '%' || person::text || '%')
    )
    delete from public.fraud_reviews using theirs
    where (subject_kind, fraud_reviews.subject) = (theirs.kind, theirs.subject)
$$;

revoke all on function forget_payer(uuid), forget_findings(uuid) from public;
grant execute on function forget_payer(uuid), forget_findings(uuid) to hub_worker;

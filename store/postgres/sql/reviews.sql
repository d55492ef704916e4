-- Reviews, their wordings and what is shown of them. Times are Unix milliseconds; texts are ciphertext.

-- name: attended
-- $1 session_id, $2 user_id: this guest's part of a session, and whose session it is. No row: they were no guest
-- of it. Owed is what a card refused; what was given back altogether was not paid.
-- A guest's part of a live room is settled, and over, by itself while the room goes on.
select sessions.practitioner_id,
    settlements.session_id is not null and (sessions.state = 'settled' or sessions.kind = 'live_room') as settled,
    coalesce(settlements.waived is null and settlements.subtotal_minor > coalesce(returned.amount_minor, 0)
        and not exists (
            select from payment_ops charge where charge.session_id = participants.session_id
                and charge.participant_no = participants.no and charge.kind = 'charge'
            group by charge.ordinal
            having not bool_or(charge.state = 'succeeded')
                and bool_or(charge.state = 'failed' and charge.outcome ->> 'code' is distinct from 'no_effect')
        ), false) as paid,
    greatest(coalesce(settlements.billed_ms - settlements.free_ms, 0), 0) as paid_ms,
    coalesce(participants.part_ended_at_ms, sessions.ended_at_ms) as ended_at_ms
from participants
join sessions on sessions.id = participants.session_id
left join settlements on settlements.session_id = participants.session_id
    and settlements.participant_no = participants.no
left join lateral (
    select sum(amount_minor)::bigint as amount_minor from payment_ops
    where payment_ops.session_id = participants.session_id and payment_ops.participant_no = participants.no
        and kind = 'refund' and state = 'succeeded'
) returned on true
where participants.session_id = $1 and participants.user_id = $2 and participants.role = 'guest'

-- name: insert_review
-- $1 id, $2 session_id, $3 author_id, $4 practitioner_id, $5 ended_at_ms, $6 now_ms. No row: there is one already.
insert into reviews (id, session_id, author_id, practitioner_id, ended_at_ms, created_at_ms)
values ($1, $2, $3, $4, $5, $6)
on conflict (session_id, author_id) do nothing
returning id

-- name: of_session
-- $1 session_id, $2 author_id
select id, session_id, author_id, practitioner_id, ended_at_ms, created_at_ms from reviews
where session_id = $1 and author_id = $2

-- name: review
-- $1 id
select id, session_id, author_id, practitioner_id, ended_at_ms, created_at_ms from reviews where id = $1

-- name: lock_review
-- $1 id: whoever changes its wordings does it alone until they commit.
select id from reviews where id = $1 for update

-- name: versions
-- $1 review_id, $2 part or null for both. The latest last.
select id, review_id, part, version, author_id, rating, text, state, because, on_timeout, due_at_ms, created_at_ms,
    decided_at_ms
from review_versions where review_id = $1 and ($2::text is null or part = $2)
order by part desc, version

-- name: version_of_id
-- $1 id of a wording
select id, review_id, part, version, author_id, rating, text, state, because, on_timeout, due_at_ms, created_at_ms,
    decided_at_ms
from review_versions where id = $1

-- name: supersede
-- $1 review_id, $2 part, $3 what the later wording is. What waited gives way to it; what is shown, only if that is.
update review_versions set state = 'superseded', due_at_ms = null
where review_id = $1 and part = $2 and (state = 'pending' or (state = 'published' and $3::text = 'published'))

-- name: insert_version
-- $1 id, $2 review_id, $3 part, $4 version, $5 author_id, $6 rating, $7 text, $8 state, $9 because, $10 on_timeout,
-- $11 due_at_ms, $12 now_ms
insert into review_versions (id, review_id, part, version, author_id, rating, text, state, because, on_timeout,
                             due_at_ms, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: give_way
-- $1 id of a wording that waits: what is shown in its place until now gives way.
update review_versions shown set state = 'superseded'
from review_versions waiting
where waiting.id = $1 and waiting.state = 'pending' and shown.review_id = waiting.review_id
    and shown.part = waiting.part and shown.state = 'published'

-- name: publish
-- $1 id, $2 now_ms. No row: it does not wait any more.
update review_versions set state = 'published', due_at_ms = null, decided_at_ms = $2
where id = $1 and state = 'pending'
returning id

-- name: refuse_waiting
-- $1 id, $2 now_ms. No row: it does not wait any more.
update review_versions set state = 'rejected', due_at_ms = null, decided_at_ms = $2
where id = $1 and state = 'pending'
returning id

-- name: refuse_all
-- $1 review_id, $2 author_id, $3 written until then, $4 now_ms. All that stands of somebody's words in a review.
update review_versions set state = 'rejected', due_at_ms = null, decided_at_ms = $4
where review_id = $1 and author_id = $2 and state in ('pending', 'published') and created_at_ms <= $3
returning id

-- name: due
-- $1 now_ms, $2 limit. Wordings that nobody has looked at in time.
select id, review_id, part, version, author_id, rating, text, state, because, on_timeout, due_at_ms, created_at_ms,
    decided_at_ms
from review_versions where state = 'pending' and due_at_ms <= $1 order by due_at_ms limit $2

-- name: shown
-- $1 practitioner_id, $2 before this id or null, $3 limit, $4 whose reviews are left out. The newest first.
select reviews.id, reviews.author_id, coalesce(people.name, '') as author_name, said.rating, said.id as text_id,
    said.text, said.version, reviews.created_at_ms, said.created_at_ms as changed_at_ms,
    answer.id as answer_id, answer.author_id as answer_author_id, answer.text as answer_text,
    answer.created_at_ms as answered_at_ms
from reviews
join review_versions said on said.review_id = reviews.id and said.part = 'review' and said.state = 'published'
left join review_versions answer on answer.review_id = reviews.id and answer.part = 'answer'
    and answer.state = 'published'
left join people on people.id = reviews.author_id
where reviews.practitioner_id = $1 and ($2::uuid is null or reviews.id < $2)
    and not reviews.author_id = any ($4::uuid[])
order by reviews.id desc
limit $3

-- name: own_reviews (as authenticated)
-- $1 before this id or null, $2 limit. What whoever asks wrote, the newest first, in its latest wording.
select reviews.id, reviews.session_id, reviews.author_id, reviews.practitioner_id, reviews.ended_at_ms,
    reviews.created_at_ms
from reviews where $1::uuid is null or reviews.id < $1
order by reviews.id desc
limit $2

-- name: has_practice
-- $1 practitioner_id: whether somebody is listed, so that their reviews can be read.
select exists (select from practices where practitioner_id = $1 and verified_at_ms is not null)

-- name: rated_by
-- $1 author_id: of whom they wrote something.
select distinct practitioner_id from reviews where author_id = $1

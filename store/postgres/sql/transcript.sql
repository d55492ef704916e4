-- Messages on record. `body` is ciphertext.

-- name: append
-- $1 session_id, then arrays of one element a message: $2 seq, $3 id, $4 participant_no, $5 at_ms,
-- $6 client_id, $7 body, $8 body_sha256, $9 digest, $10 lost.
-- Until its digest is set, a message may still be found that was taken for lost; after that nothing changes. What
-- was removed stays so, whatever a reader had seen before.
insert into messages as kept (session_id, seq, id, participant_no, at_ms, client_id, body, body_sha256, digest, lost)
select $1, said.* from unnest($2::bigint[], $3::uuid[], $4::integer[], $5::bigint[], $6::text[], $7::bytea[],
                              $8::bytea[], $9::bytea[], $10::boolean[])
    as said (seq, id, participant_no, at_ms, client_id, body, body_sha256, digest, lost)
on conflict (session_id, seq) do update set id = excluded.id, participant_no = excluded.participant_no,
    at_ms = excluded.at_ms, client_id = excluded.client_id,
    body = case when kept.body is null and not kept.lost then null else excluded.body end,
    body_sha256 = excluded.body_sha256, digest = excluded.digest, lost = excluded.lost
where kept.digest is null and (excluded.digest is not null or (kept.lost and not excluded.lost))

-- name: kept
-- $1 session_id, $2 after_seq, $3 limit
select seq, coalesce(id::text, '') as id, coalesce(participant_no, -1) as participant_no,
    coalesce(at_ms, 0) as at_ms, coalesce(client_id, '') as client_id, coalesce(body, '') as body,
    body is null and not lost as removed,
    case when body is null then coalesce(body_sha256, '') else '' end as body_sha256
from messages where session_id = $1 and seq > $2 order by seq limit $3

-- name: of_id
-- $1 session_id, $2 id
select seq, id, participant_no, at_ms, client_id, coalesce(body, '') as body, body is null as removed,
    case when body is null then body_sha256 else '' end as body_sha256
from messages where session_id = $1 and id = $2 and not lost

-- name: remove
-- $1 session_id, $2 seq. No row: there is no such message, or it was removed before.
update messages set body = null where session_id = $1 and seq = $2 and body is not null
returning seq

-- name: page (as authenticated)
-- $1 session_id, $2 after_seq, $3 limit
select seq, messages.id, participant_no, at_ms, body, body_sha256, digest, lost,
    participants.user_id, people.name, participants.role
from messages
left join participants on participants.session_id = messages.session_id
    and participants.no = messages.participant_no
left join people on people.id = participants.user_id
where messages.session_id = $1 and seq > $2
order by seq
limit $3

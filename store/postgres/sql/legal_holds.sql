-- Legal holds: sealed copies of what there was when an authority asked for it to be kept. Times are Unix milliseconds.

-- name: insert_hold
-- $1 id, $2 subject_id or null, $3 session_id or null, $4 sealed reason, $5 disclosed, $6 sealed why not or null,
-- $7 placed_by, $8 now_ms, $9 review_by_ms, $10 ends_at_ms. No row: it was placed before.
insert into legal_holds (id, subject_id, session_id, reason, disclosed, undisclosed_reason, placed_by, placed_at_ms,
    review_by_ms, ends_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (id) do nothing
returning id

-- name: insert_piece
-- $1 hold_id, $2 no, $3 table_name, $4 row_count, $5 sealed
insert into legal_hold_pieces (hold_id, no, table_name, row_count, sealed) values ($1, $2, $3, $4, $5)

-- name: complete
-- $1 id, $2 pieces, $3 rows_held
update legal_holds set pieces = $2, rows_held = $3 where id = $1

-- name: hold
-- $1 id
select * from legal_holds where id = $1

-- name: listed
-- $1 who asks, $2 before this id or null, $3 limit. The newest first, without those that are about who asks.
select * from legal_holds
where subject_id is distinct from $1 and ($2::uuid is null or id < $2)
    and not exists (
        select from participants where participants.session_id = legal_holds.session_id and user_id = $1
    )
order by id desc
limit $3

-- name: piece
-- $1 hold_id, $2 no
select hold_id, no, table_name, row_count, sealed from legal_hold_pieces where hold_id = $1 and no = $2

-- name: keep_on
-- $1 id, $2 review_by_ms. No row: it is over.
update legal_holds set review_by_ms = $2 where id = $1 and released_at_ms is null returning id

-- name: release
-- $1 id, $2 released_by or null where its time was over, $3 now_ms. No row: it is over.
update legal_holds set released_by = $2, released_at_ms = $3, reason = null, undisclosed_reason = null
where id = $1 and released_at_ms is null
returning id

-- name: drop_pieces
-- $1 hold_id
delete from legal_hold_pieces where hold_id = $1

-- name: over
-- $1 now_ms, $2 limit. Whose time is over.
select * from legal_holds where released_at_ms is null and ends_at_ms <= $1 order by ends_at_ms, id limit $2

-- name: to_review
-- $1 now_ms, $2 limit. Where somebody has to look whether it is still needed.
select * from legal_holds
where released_at_ms is null and review_by_ms <= $1 and ends_at_ms > $1
order by review_by_ms, id
limit $2

-- name: seats
-- $1 session_id
select user_id from participants where session_id = $1 order by no

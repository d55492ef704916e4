-- When practitioners can be booked.

-- name: availability
-- $1 practitioner_id
select * from availability where practitioner_id = $1

-- name: own_availability (as authenticated)
-- $1 practitioner_id, who asks
select * from availability where practitioner_id = $1

-- name: save_availability
-- $1 practitioner_id, $2 zone, $3 weekly, $4 exceptions, $5 notice_s, $6 horizon_days, $7 slot_s, $8 buffer_s,
-- $9 version that it was changed on, 0 for the first, $10 now_ms. No row: somebody was faster.
insert into availability as kept (practitioner_id, zone, weekly, exceptions, notice_s, horizon_days, slot_s,
    buffer_s, version, changed_at_ms)
select $1, $2, $3, $4, $5, $6, $7, $8, 1, $10
where $9::integer = 0 or exists (select from availability where practitioner_id = $1)
on conflict (practitioner_id) do update set
    zone = excluded.zone, weekly = excluded.weekly, exceptions = excluded.exceptions,
    notice_s = excluded.notice_s, horizon_days = excluded.horizon_days, slot_s = excluded.slot_s,
    buffer_s = excluded.buffer_s, version = kept.version + 1, changed_at_ms = excluded.changed_at_ms
where kept.version = $9
returning version

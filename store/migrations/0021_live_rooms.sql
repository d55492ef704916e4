-- Live rooms: what their hosts call them, and what each guest's own part came to. Times are Unix milliseconds.

-- A room's session has the same id, its seats and its price. `title` is sealed under its host's key. It is open to
-- be found until `closed_at_ms`.
create table live_rooms (
    session_id uuid primary key references sessions (id),
    practitioner_id uuid not null,
    title bytea not null,
    history text not null check (history in ('all', 'from_entry', 'none')),
    starts_at_ms bigint,
    flat_after_ms bigint not null default 0 check (flat_after_ms >= 0),
    created_at_ms bigint not null,
    closed_at_ms bigint
);
create index live_rooms_open on live_rooms (session_id) where closed_at_ms is null;
create index live_rooms_of on live_rooms (practitioner_id) where closed_at_ms is null;

-- A guest's part of a live room ends by itself. Of the chat they may read what has a higher `seq` than `from_seq`
-- and was said until `part_ended_at_ms`: nothing until their part is on record, nor if they were never in.
alter table participants
    add column entered_at_ms bigint,
    add column part_ended_at_ms bigint,
    add column part_end_reason text,
    add column from_seq bigint not null default 0 check (from_seq >= 0);

-- The asking person may read the message of this place and time; as definer, like `is_party`.
create function may_read(session uuid, place bigint, said_at_ms bigint) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants
        where session_id = session and user_id = auth.uid()
            and place > from_seq
            and (part_ended_at_ms is null or coalesce(said_at_ms, 0) <= part_ended_at_ms)
    )
$$;

-- In a room with an audience guests see their host, themselves, and whoever spoke.
alter table participants add column spoke boolean not null default false;

-- The asking person is, or was, in a room and sees whoever else was: its host does, and guests where the room is
-- small or the other one spoke. A knock alone lets nobody see who else is there.
create function sees_others(session uuid, spoke boolean) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants mine join public.sessions on sessions.id = mine.session_id
        where mine.session_id = session and mine.user_id = auth.uid() and mine.from_seq < 9223372036854775807
            and (mine.no = 0 or sees_others.spoke or sessions.seats <= 50)
    )
$$;

create or replace function has_met(other uuid) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants mine
        join public.participants theirs using (session_id)
        join public.sessions on sessions.id = session_id
        where mine.user_id = auth.uid() and theirs.user_id = other
            and (mine.no = 0 or theirs.no = 0
                 or (mine.from_seq < 9223372036854775807 and theirs.from_seq < 9223372036854775807
                     and (theirs.spoke or sessions.seats <= 50)))
    )
$$;

revoke all on function may_read(uuid, bigint, bigint), sees_others(uuid, boolean) from public;
grant execute on function may_read(uuid, bigint, bigint), sees_others(uuid, boolean) to authenticated;

drop policy party on messages;
create policy party on messages for select to authenticated using (may_read(session_id, seq, at_ms));
drop policy party on participants;
create policy party on participants for select to authenticated using (
    user_id = (select auth.uid()) or sees_others(session_id, spoke) or (no = 0 and is_party(session_id))
);

select keep_to_hub('live_rooms');

grant select, insert on live_rooms to hub_worker;
grant update (closed_at_ms) on live_rooms to hub_worker;
grant update (entered_at_ms, part_ended_at_ms, part_end_reason, from_seq, spoke) on participants to hub_worker;
grant select (session_id, practitioner_id, title, history, starts_at_ms, created_at_ms, closed_at_ms)
    on live_rooms to authenticated;
-- Rooms of a practice that is listed are found by everybody.
create policy open_or_party on live_rooms for select to authenticated using (
    (closed_at_ms is null and exists (
        select from practices
        where practices.practitioner_id = live_rooms.practitioner_id and verified_at_ms is not null
    ))
    or practitioner_id = (select auth.uid())
    or is_party(session_id)
);

-- What becomes of it when somebody is erased, and of old rooms: the title goes, and whose it was.
grant select, update (practitioner_id, title) on live_rooms to hub_eraser, hub_retention;
select let_work('hub_eraser', 'live_rooms');
select let_work('hub_retention', 'live_rooms');

-- Of a live room whose host was at fault even those pay nothing who had left, and were charged, before: what they
-- paid for that session goes back. Ordered once for each of them, however often it is said.
alter table restitutions
    add column scope text not null default 'everything' check (scope in ('everything', 'session')),
    add constraint restitutions_session_check check (scope = 'everything' or session_id is not null);
drop index restitutions_open;
create unique index restitutions_open on restitutions (guest_id)
    where done_at_ms is null and scope = 'everything';
create unique index restitutions_of_session on restitutions (guest_id, session_id) where scope = 'session';
comment on table restitutions is
    'Purpose: to give a guest back everything that was collected from them, or what was for one session.';
grant select (scope) on restitutions to authenticated;

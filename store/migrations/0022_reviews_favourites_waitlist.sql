-- What guests say of a paid session and what the practitioner answers, whom people like to come back to, and who
-- waits for somebody who is busy or away.

-- One a guest and session. Its words are in its versions. No foreign key to people: erasing a practitioner leaves
-- what guests wrote to these guests.
create table reviews (
    id uuid primary key,
    session_id uuid not null references sessions (id),
    author_id uuid not null,
    practitioner_id uuid not null,
    ended_at_ms bigint not null,
    created_at_ms bigint not null,
    unique (session_id, author_id),
    check (author_id <> practitioner_id)
);
create index reviews_practitioner on reviews (practitioner_id, id desc);
create index reviews_author on reviews (author_id, id desc);

-- Every wording of a review and of its answer. `text` is sealed under its author's data key. At most one wording
-- of each part is shown, and at most one waits for somebody to look at it.
create table review_versions (
    id uuid primary key,
    review_id uuid not null references reviews (id) on delete cascade,
    part text not null check (part in ('review', 'answer')),
    version integer not null check (version > 0),
    author_id uuid not null,
    rating integer check (rating between 1 and 5),
    text bytea not null check (length(text) <= 65536),
    state text not null check (state in ('pending', 'published', 'superseded', 'rejected')),
    because text check (because ~ '^[a-z_]{1,40}$'),
    on_timeout text not null default 'reject' check (on_timeout in ('release', 'reject')),
    due_at_ms bigint,
    created_at_ms bigint not null,
    decided_at_ms bigint,
    unique (review_id, part, version),
    check ((part = 'review') = (rating is not null)),
    check ((state = 'pending') = (due_at_ms is not null))
);
create unique index review_versions_shown on review_versions (review_id, part) where state = 'published';
create unique index review_versions_pending on review_versions (review_id, part) where state = 'pending';
create index review_versions_due on review_versions (due_at_ms) where state = 'pending';
create index review_versions_author on review_versions (author_id);

-- The rating of a practice follows from the reviews that are shown, whoever changes them: computed from the rows
-- in the same transaction, never counted up. Of one guest the review written last counts. Ten reviews of 4.20 are
-- taken for granted, so that the first guest alone does not decide; rounded half up to a hundredth.
create function rate_practice(rated uuid) returns void language plpgsql set search_path = '' as $$
declare
    weight constant bigint := 10;
    prior_centi constant bigint := 420;
    total bigint;
    n bigint;
begin
    -- Whoever comes second waits here, and then sees what the first has committed.
    perform from public.practices where practitioner_id = rated for update;
    select coalesce(sum(rating), 0), count(*) into total, n from (
        select distinct on (reviews.author_id) shown.rating
        from public.reviews
        join public.review_versions shown on shown.review_id = reviews.id and shown.part = 'review'
            and shown.state = 'published'
        where reviews.practitioner_id = rated
        order by reviews.author_id, reviews.created_at_ms desc, reviews.id desc
    ) counted;
    update public.practices set rating_count = n, rating = case when n > 0 then
        ((2 * (weight * prior_centi + 100 * total) + weight + n) / (2 * (weight + n)))::numeric / 100
    end
    where practitioner_id = rated;
end $$;

-- As definer: whoever may remove a review need not be allowed to rate.
create function review_version_changed() returns trigger language plpgsql security definer set search_path = '' as $$
declare
    changed uuid := case tg_op when 'DELETE' then old.review_id else new.review_id end;
    rated uuid;
begin
    select practitioner_id into rated from public.reviews where id = changed;
    if rated is not null then
        perform public.rate_practice(rated);
    end if;
    return null;
end $$;
create trigger review_versions_rate after insert or delete or update of state, rating on review_versions
    for each row execute function review_version_changed();

create function review_gone() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    perform public.rate_practice(old.practitioner_id);
    return null;
end $$;
create trigger reviews_rate after delete on reviews for each row execute function review_gone();

-- A case may be about the words of a review.
alter table flags add column review_id uuid;
create index flags_review on flags (review_id, user_id) where review_id is not null;

create table favourites (
    person_id uuid not null references people (id) on delete cascade,
    practitioner_id uuid not null references people (id) on delete cascade,
    created_at_ms bigint not null,
    primary key (person_id, practitioner_id),
    check (person_id <> practitioner_id)
);
create index favourites_practitioner on favourites (practitioner_id);

-- Who waits for whom, in the order in which they asked. An offer is made to one at a time, for a while, and once:
-- when its time is over the entry goes. `told_at_ms` is set once the guest's lines have heard of it.
create table waitlist (
    guest_id uuid not null references people (id) on delete cascade,
    practitioner_id uuid not null references people (id) on delete cascade,
    asked_at_ms bigint not null,
    expires_at_ms bigint not null check (expires_at_ms > asked_at_ms),
    offer_id uuid unique,
    offered_at_ms bigint,
    offer_until_ms bigint,
    told_at_ms bigint,
    primary key (guest_id, practitioner_id),
    check (guest_id <> practitioner_id),
    check ((offer_id is null) = (offered_at_ms is null) and (offer_id is null) = (offer_until_ms is null)),
    check (told_at_ms is null or offer_id is not null)
);
create index waitlist_order on waitlist (practitioner_id, asked_at_ms, guest_id);
create index waitlist_expired on waitlist (expires_at_ms);
create unique index waitlist_one_offer on waitlist (practitioner_id) where offer_id is not null;

select keep_to_hub('reviews', 'review_versions', 'favourites', 'waitlist');

revoke all on function rate_practice(uuid), review_version_changed(), review_gone() from public;
grant execute on function rate_practice(uuid) to hub_worker;

grant select, insert, delete on reviews to hub_worker;
-- Locking a row needs the right to change some of it.
grant update (practitioner_id) on reviews to hub_worker;
grant select, insert, delete on review_versions to hub_worker;
grant update (state, due_at_ms, decided_at_ms) on review_versions to hub_worker;
grant select, insert, delete on favourites to hub_worker;
grant select, insert, delete on waitlist to hub_worker;
grant update (asked_at_ms, expires_at_ms, offer_id, offered_at_ms, offer_until_ms, told_at_ms) on waitlist to hub_worker;

-- A person's own: what they wrote, whom they like, for whom they wait.
grant select on reviews, review_versions, favourites to authenticated;
grant select (guest_id, practitioner_id, asked_at_ms, expires_at_ms, offer_until_ms) on waitlist to authenticated;
create policy own on reviews for select to authenticated using (author_id = (select auth.uid()));
create policy own on review_versions for select to authenticated using (author_id = (select auth.uid()));
create policy own on favourites for select to authenticated using (person_id = (select auth.uid()));
create policy own on waitlist for select to authenticated using (guest_id = (select auth.uid()));

-- What becomes of it when somebody is erased, and of old reviews.
grant select, delete on reviews, review_versions to hub_eraser, hub_retention;
grant update (practitioner_id) on reviews to hub_eraser;
grant select, delete on favourites, waitlist to hub_eraser;

select let_work('hub_eraser', 'reviews', 'review_versions', 'favourites', 'waitlist');
select let_work('hub_retention', 'reviews', 'review_versions');

-- People, their cards and practices. Times are Unix milliseconds, money minor units.

-- name: person
-- $1 id
select id, role, name, email, country, phone, adult, policy_accepted_ms, version, language, born_on
from people where id = $1

-- name: own_profile (as authenticated)
select id, role, name, email, country, phone, adult, policy_accepted_ms, version, language, born_on
from own_profile()

-- name: ensure
-- $1 id, $2 role, $3 name, $4 email, $5 now_ms. The role follows the identity provider; the rest is the
-- person's own once the row is there.
insert into people (id, role, name, email, created_at_ms) values ($1, $2, $3, $4, $5)
on conflict (id) do update set role = excluded.role where people.role <> excluded.role

-- name: practice
-- $1 practitioner_id
select practitioner_id, people.name, headline, topics, rate_minor_per_minute, currency, free_s, accepts_instant,
    stripe_account, transfers_active, verified_at_ms, rating::float8 as rating, rating_count
from practices join people on people.id = practices.practitioner_id
where practitioner_id = $1

-- name: card
-- $1 person_id
select person_id, stripe_customer, stripe_payment_method, brand, last4, fingerprint, saved_at_ms
from cards where person_id = $1

-- name: directory (as authenticated)
-- $1 ids or null for all, $2 topic or null, $3 after this id or null, $4 limit.
select people.id, people.name, headline, topics, rate_minor_per_minute, currency, free_s, accepts_instant,
    rating::float8 as rating, rating_count
from practices join people on people.id = practices.practitioner_id
where verified_at_ms is not null
    and ($1::uuid[] is null or people.id = any ($1))
    and ($2::text is null or $2 = any (topics))
    and ($3::uuid is null or people.id > $3)
order by people.id
limit $4

-- name: set_transfers_active
-- $1 stripe_account, $2 active. The practitioner, when it changed.
update practices set transfers_active = $2 where stripe_account = $1 and transfers_active <> $2
returning practitioner_id

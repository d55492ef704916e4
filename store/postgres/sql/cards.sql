-- Guests' customers and cards at Stripe. The number of a card is never here.

-- name: customer
-- $1 person_id
select stripe_customer from customers where person_id = $1

-- name: keep_customer
-- $1 person_id, $2 stripe_customer, $3 now_ms. The one that is kept: the first.
with kept as (
    insert into customers (person_id, stripe_customer, created_at_ms) values ($1, $2, $3)
    on conflict do nothing
    returning stripe_customer
)
select stripe_customer from kept
union all
select stripe_customer from customers where person_id = $1
limit 1

-- name: owner
-- $1 stripe_customer: whose it is.
select person_id from customers where stripe_customer = $1

-- name: save_card
-- $1 person_id, $2 stripe_customer, $3 stripe_payment_method, $4 brand, $5 last4, $6 fingerprint, $7 saved_at_ms.
-- A card that was entered before the one on record is old news. Stripe counts seconds.
insert into cards (person_id, stripe_customer, stripe_payment_method, brand, last4, fingerprint, saved_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (person_id) do update set
    stripe_customer = excluded.stripe_customer, stripe_payment_method = excluded.stripe_payment_method,
    brand = excluded.brand, last4 = excluded.last4, fingerprint = excluded.fingerprint,
    saved_at_ms = excluded.saved_at_ms
where cards.saved_at_ms / 1000 <= excluded.saved_at_ms / 1000
    and cards.stripe_payment_method <> excluded.stripe_payment_method
returning person_id

-- name: own_card (as authenticated)
select brand, last4, saved_at_ms from cards

-- What is counted about the use of the hub. There is neither a person nor a time in it.

-- name: insert_event
-- $1 week, $2 name, $3 props, $4 marked, $5 person_id. No row: they do not agree. With share_consents before it, once
-- a no was answered nothing more is counted, whatever was under way.
insert into analytics_events (week, name, props, marked)
select $1, $2, $3, $4
where (
    select granted from consents where person_id = $5 and purpose = 'analytics' order by id desc limit 1
)
returning id

-- name: counts
-- $1 first week, $2 last week, $3 least people, $4 limit. A cell of one week that too few people are in is left out
-- as a whole, so that no sum and no difference of two answers tells of it.
select week, name, props, count(*)::bigint as events, count(distinct marked)::bigint as people
from analytics_events
where week between $1 and $2
group by week, name, props
having count(distinct marked) >= $3
order by week desc, name, props
limit $4

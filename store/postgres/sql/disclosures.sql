-- What of whom went to which vendor, once a person, vendor, purpose and day. A payment operation notes its own
-- as it goes out (operations.sql, sent).

-- name: insert_disclosures
-- Arrays of one element each: $1 person_id, $2 vendor, $3 purpose, $4 fields (separated by commas), $5 at_ms,
-- $6 times. In the order of the key, so that two at once don't wait for each other. Who is not there is left
-- out, and who is stays until this is committed: nothing is noted of somebody who was erased.
insert into disclosures as kept (person_id, vendor, purpose, day, fields, first_at_ms, times)
select person.id, told.vendor, told.purpose, (to_timestamp(told.at_ms / 1000.0) at time zone 'UTC')::date,
    string_to_array(told.fields, ','), told.at_ms, told.times
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::integer[])
    as told (person_id, vendor, purpose, fields, at_ms, times)
join people person on person.id = told.person_id
order by told.person_id, told.vendor, told.purpose, told.at_ms
for key share of person
on conflict (person_id, vendor, purpose, day) do update set
    fields = excluded.fields, first_at_ms = least(kept.first_at_ms, excluded.first_at_ms),
    times = kept.times + excluded.times

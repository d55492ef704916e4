-- Questions about a person that a moderator has to answer before anything new begins for them.

-- name: has_open_question
-- $1 user_id. Whether somebody has still to look at whether they are of age.
select exists (
    select from flags where user_id = $1 and category = 'minor' and status in ('open', 'claimed')
)

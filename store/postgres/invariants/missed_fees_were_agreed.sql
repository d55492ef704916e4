-- missed_fees_were_agreed
-- A fee for a booking that its guest missed was agreed when it was booked, is for no time, and is due for the two
-- reasons alone that the table of who pays names. Where it is not agreed, nothing is charged for what was missed.
select settlements.session_id, settlements.participant_no, total_minor, bookings.missed_minor, sessions.end_reason
from settlements
join sessions on sessions.id = settlements.session_id
left join bookings on bookings.id = settlements.session_id
where (settlements.kind = 'missed' and (
        bookings.id is null or subtotal_minor <> bookings.missed_minor or total_minor > bookings.missed_minor
        or billed_ms > 0 or sessions.live_at_ms is not null
        or sessions.end_reason not in ('guest_no_show', 'booking_cancelled_late')
    ))
    or (settlements.kind = 'time' and total_minor > 0
        and sessions.end_reason in ('guest_no_show', 'booking_cancelled_late'))

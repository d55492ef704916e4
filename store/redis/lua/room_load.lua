-- The room and the store's time, read in one step.
-- KEYS  1 room
-- ARGV  -
-- gives {now_ms, blob | false, version, rev, seq}
local time = redis.call('TIME')
local room = redis.call('HMGET', KEYS[1], 'blob', 'version', 'rev', 'seq')
return {
  time[1] * 1000 + math.floor(time[2] / 1000),
  room[1], tonumber(room[2] or 0), tonumber(room[3] or 0), tonumber(room[4] or 0),
}

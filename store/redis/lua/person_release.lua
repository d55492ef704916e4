-- The session is over: the person is free, if this session still holds them.
-- KEYS  1 person  2 person's online sockets
-- ARGV  1 session id
-- gives {n, online, lock | '', '1' unless the lock is only reserved}; an expired reservation is none
if redis.call('HGET', KEYS[1], 'lock') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'lock', 'until_ms')
  redis.call('HINCRBY', KEYS[1], 'n', 1)
end
local person = redis.call('HMGET', KEYS[1], 'n', 'lock', 'until_ms')
local time = redis.call('TIME')
local lock, confirmed = person[2] or '', '1'
if person[3] then
  confirmed = '0'
  if tonumber(person[3]) < time[1] * 1000 + math.floor(time[2] / 1000) then lock = '' end
end
return {tonumber(person[1] or 0), redis.call('HLEN', KEYS[2]), lock, confirmed}

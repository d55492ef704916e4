-- A practitioner's sockets come online or go: by name, or all of one hub.
-- KEYS  1 person  2 person's online sockets
-- ARGV  1 'on' | 'off' | 'hub' | 'all' | 'read'  2 connection | hub  3 hub
-- gives {n, online, lock | '', '1' unless the lock is only reserved}; an expired reservation is none
if ARGV[1] == 'on' then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
elseif ARGV[1] == 'off' then
  redis.call('HDEL', KEYS[2], ARGV[2])
elseif ARGV[1] == 'all' then
  redis.call('DEL', KEYS[2])
elseif ARGV[1] == 'hub' then
  local sockets = redis.call('HGETALL', KEYS[2])
  for i = 1, #sockets, 2 do
    if sockets[i + 1] == ARGV[2] then redis.call('HDEL', KEYS[2], sockets[i]) end
  end
end
if ARGV[1] ~= 'read' then redis.call('HINCRBY', KEYS[1], 'n', 1) end
local person = redis.call('HMGET', KEYS[1], 'n', 'lock', 'until_ms')
local time = redis.call('TIME')
local lock, confirmed = person[2] or '', '1'
if person[3] then
  confirmed = '0'
  if tonumber(person[3]) < time[1] * 1000 + math.floor(time[2] / 1000) then lock = '' end
end
return {tonumber(person[1] or 0), redis.call('HLEN', KEYS[2]), lock, confirmed}

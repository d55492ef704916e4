-- Reserve a person for a session, so that of two only one gets them. The reservation expires by itself unless
-- it is confirmed.
-- KEYS  1 person  2 person's online sockets
-- ARGV  1 session id  2 ttl_ms  3 '1' when the person must be online  4 a session known to be over | ''
-- gives {'ok', n, online} | {'held', session id, '1' when it is confirmed} | {'offline'};  n counts changes of the person's standing
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local person = redis.call('HMGET', KEYS[1], 'lock', 'until_ms')
local online = redis.call('HLEN', KEYS[2])
if person[1] and person[1] ~= ARGV[1] and person[1] ~= ARGV[4] then
  if not person[2] then return {'held', person[1], '1'} end
  if tonumber(person[2]) >= now_ms then return {'held', person[1], '0'} end
end
if ARGV[3] == '1' and online == 0 then return {'offline'} end
redis.call('HSET', KEYS[1], 'lock', ARGV[1], 'until_ms', now_ms + tonumber(ARGV[2]))
return {'ok', redis.call('HINCRBY', KEYS[1], 'n', 1), online}

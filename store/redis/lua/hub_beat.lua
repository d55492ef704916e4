-- One heartbeat for a hub process and all its sockets: that it lives, and when each metered socket was heard.
-- KEYS  1 hubs zset  2 this hub's proofs  3 swept set  4 epoch
-- ARGV  1 hub  2 kept for s  3.. connection, heard_ms pairs; heard_ms '' when the socket left
-- gives {now_ms, '1' when this hub was swept, epoch | ''}
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = redis.call('GET', KEYS[4]) or ''
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 1 then return {now_ms, '1', epoch} end
redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return {now_ms, '0', epoch}

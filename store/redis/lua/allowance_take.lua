-- Take one of what a person may do now and then: generic cell rate.
-- KEYS  1 allowance
-- ARGV  1 emission interval_ms  2 burst
-- gives 0 when it was taken, else after how many ms to try again
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local interval_ms, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local slot_ms = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now_ms)
local wait_ms = slot_ms - now_ms - interval_ms * (burst - 1)
if wait_ms > 0 then return wait_ms end
redis.call('SET', KEYS[1], slot_ms + interval_ms, 'PXAT', slot_ms + interval_ms)
return 0

-- COUNT: KEYS window; ARGV window ms. Counts one more, in a window that begins with its first count.
-- Returns the count and how long the window still lasts. What is not a window of ours is replaced.
local count = redis.pcall('INCR', KEYS[1])
if type(count) == 'table' then
  -- Not when memory is out: a script that has deleted may write again, and every window would begin anew with each request.
  if string.find(count.err, 'OOM', 1, true) then return count end
  redis.call('DEL', KEYS[1])
  count = redis.call('INCR', KEYS[1])
end
local left = redis.call('PTTL', KEYS[1])
if count == 1 or left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {count, left}

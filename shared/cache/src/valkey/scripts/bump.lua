-- BUMP: KEYS scope; ARGV rev. Raises the floor if the scope exists. What is not a scope of ours is deleted, which is always safe.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 0 end
local floor = kind == 'hash' and redis.call('HGET', KEYS[1], 'f')
if not floor or #floor ~= 20 or string.find(floor, '%D') then
  redis.call('DEL', KEYS[1])
elseif ARGV[1] > floor then
  redis.call('HSET', KEYS[1], 'f', ARGV[1])
end
return 1

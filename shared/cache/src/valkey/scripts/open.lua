-- OPEN: KEYS scope; ARGV proposed incarnation, field, lease ms, leases at most, scope ttl ms.
-- Makes the scope if it is absent or damaged, takes the field's lease if it is free. Returns the incarnation and 1 if leased.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local kept = redis.call('HMGET', KEYS[1], 'i', 'f', 'l')
local incarnation, floor, leases = kept[1], kept[2], kept[3] or ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh = not incarnation or incarnation == '' or not floor or #floor ~= 20 or string.find(floor, '%D')
if fresh then incarnation, leases = ARGV[1], '' end
local others, count, owner = '', 0, nil
for line, till, who, field in string.gmatch(leases, '((%d+) (%S+) (%S+)\n)') do
  if tonumber(till) > now then
    others, count = others .. line, count + 1
    if field == ARGV[2] then owner = who end
  end
end
if not owner and count < tonumber(ARGV[4]) then
  others = others .. string.format('%.0f %s %s\n', now + ARGV[3], ARGV[1], ARGV[2])
end
if fresh then
  if kept[1] or kept[2] then redis.call('DEL', KEYS[1]) end
  redis.call('HSET', KEYS[1], 'i', incarnation, 'f', '00000000000000000000', 'l', others)
elseif others ~= leases then
  redis.call('HSET', KEYS[1], 'l', others)
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {incarnation, (not owner or owner == ARGV[1]) and 1 or 0}

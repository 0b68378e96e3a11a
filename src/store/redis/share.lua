-- outcome:1 share
--
-- Everything an instance asks of one scope, in one step: adds what it brings, returns the buckets that it
-- has not seen, lengthens the cooldown, hands out the lease to probe. Time is the server's.
--
-- KEYS[1] is the hash tag of the scope, and all its keys begin with it:
--   <tag>:b:<number>    a bucket of ten seconds: a hash of counters, and its version under '\n'
--   <tag>:s:<instance>  the last sequence number that the instance has brought, and the bucket it went to
--   <tag>:c             is there for as long as the group is to be left alone
--   <tag>:p             who holds the lease
-- The number of a bucket is only known in here, so its key cannot be declared. A cluster routes by the tag
-- and finds all of them in its slot; declaring the other three as well would only cost bytes.
--
-- What stands in these keys need not be ours. What makes no sense is removed, and counted.

local tag = KEYS[1]
local instance, sequence, seen_bucket, seen_version, cooldown, asks, budget, added =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6],
  tonumber(ARGV[7]), ARGV[8]

local LIVE = 15                  -- buckets that are read
local BUCKET_LASTS = 150000      -- ms
local SEQUENCE_LASTS = 600000    -- ms, longer than anybody repeats a batch
local COOLDOWN_MOST = 3600000    -- ms
local WORTH_TELLING = 100        -- ms by which a cooldown grows before others are told at once
local LEASE_LASTS = 2000         -- ms
local FIELDS_MOST = 65536        -- of a bucket
local ADDED_MOST = 4096          -- fields of a batch
local STEP_MOST = 1000000000     -- by which a field grows in a batch
local NAME_MOST = 48             -- bytes
local EXACT_MOST = 9007199254740991  -- 2^53 - 1: beyond it, Lua's numbers are not exact
local VERSION_MOST = 4503599627370496 -- 2^52: half of that, so that there is always a next one
local VERSION = '\n'             -- no counter has this name
local CHUNK = 2000               -- values on the Lua stack

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local current = math.floor(time[1] / 10)
local mended = 0

local function text(number)
  return string.format('%.0f', number)
end

local function key_of(number)
  return tag .. ':b:' .. text(number)
end

-- A count as it may stand in a hash, or nothing.
local function count_of(value)
  if #value <= 16 and string.find(value, '^%d+$') then
    local count = tonumber(value)
    if count <= EXACT_MOST then return count end
  end
end

local function remove(key)
  redis.call('UNLINK', key)
  mended = mended + 1
end

-- The version of a bucket, or nothing where there is none.
local function version_of(number)
  local key = key_of(number)
  local version = redis.pcall('HGET', key, VERSION)
  if type(version) == 'table' then
    remove(key)
    return nil
  end
  if not version then return nil end
  version = count_of(version)
  return version and version <= VERSION_MOST and version or 0
end

local function each_chunk(command, key, values)
  for first = 1, #values, CHUNK do
    redis.call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

-- The counters of a bucket as names and values in turn. Not to be called on a key of another type.
local function counters_of(number)
  local key = key_of(number)
  if redis.call('HLEN', key) > FIELDS_MOST + 1 then
    remove(key)
    return {}
  end
  local all = redis.call('HGETALL', key)
  local good, bad = {}, {}
  for i = 1, #all, 2 do
    local name, value = all[i], all[i + 1]
    if #name <= NAME_MOST and #value <= 16 and string.find(name, '^[ -~]+$') and count_of(value) then
      good[#good + 1] = name
      good[#good + 1] = value
    elseif name ~= VERSION then
      bad[#bad + 1] = name
    end
  end
  mended = mended + #bad
  each_chunk('HDEL', key, bad)
  return good
end

-- Adds what the batch brings to the current bucket, and returns its version and counters.
local function add()
  local before = version_of(current)
  local after = version_of(current + 1) -- is there if the clock was set back
  local version = math.max(now, (before or 0) + 1, (after or 0) + 1)
  local counters = counters_of(current)
  local place = {}
  for i = 1, #counters, 2 do place[counters[i]] = i + 1 end
  local changed, steps = { VERSION, text(version) }, 0
  for name, step in string.gmatch(added, '([ -~]+)\n(%d+)') do
    steps = steps + 1
    if steps > ADDED_MOST then break end
    step = math.min(tonumber(step), STEP_MOST)
    local at = place[name]
    if not at and #name <= NAME_MOST and #counters < 2 * FIELDS_MOST then
      counters[#counters + 1] = name
      counters[#counters + 1] = '0'
      at = #counters
      place[name] = at
    end
    if at then
      counters[at] = text(math.min(tonumber(counters[at]) + step, EXACT_MOST))
      changed[#changed + 1] = name
      changed[#changed + 1] = counters[at]
    end
  end
  local key = key_of(current)
  each_chunk('HSET', key, changed)
  if not before then redis.call('PEXPIRE', key, BUCKET_LASTS) end
  return version, counters
end

-- Says where an earlier batch of this number went, if there was one.
local function brought_before(key)
  local last = redis.pcall('GET', key)
  if type(last) ~= 'string' then return false end
  local earlier, bucket = string.match(last, '^(%d+) (%d+)$')
  if not earlier or #earlier ~= #sequence or #bucket > 15 or earlier < sequence then return false end
  if earlier == sequence then return true, tonumber(bucket) end
  -- A batch that was long on its way; or not ours, as it would end in time.
  local left = redis.call('PTTL', key)
  return left > 0 and left <= SEQUENCE_LASTS
end

-- What is left of a key that ends in time, in ms.
local function left_of(key, most)
  local left = redis.call('PTTL', key)
  if left == -1 then
    remove(key)
  elseif left > most then
    redis.call('PEXPIRE', key, most)
    mended = mended + 1
  end
  return math.max(0, math.min(left, most))
end

local added_to, version_now, counters_now = false, nil, nil
if added ~= '' then
  local key = tag .. ':s:' .. instance
  local before, bucket = brought_before(key)
  if before then
    added_to = bucket or false
  else
    added_to = current
    -- First, so that whatever fails after it is lost and not counted twice.
    redis.call('SET', key, sequence .. ' ' .. text(current), 'PX', SEQUENCE_LASTS)
    version_now, counters_now = add()
  end
end

local buckets = {}
if budget > 0 then
  local first = current - LIVE + 1
  -- What was seen in the future is of another clock.
  local seen = seen_bucket and seen_bucket <= current + 1
  if seen then first = math.max(first, seen_bucket - 1) end
  for number = first, current do
    local version = number == current and version_now or version_of(number)
    local new = not seen or number > seen_bucket
      or (number == seen_bucket and version ~= seen_version)
      or (number < seen_bucket and version and version > seen_version)
    if version and new then
      local counters = number == current and counters_now or counters_of(number)
      budget = budget - #counters / 2
      -- The others are asked for next time, as what is newest here is what was seen then.
      if budget < 0 and #buckets > 0 then break end
      buckets[#buckets + 1] = number
      buckets[#buckets + 1] = version
      buckets[#buckets + 1] = table.concat(counters, '\n')
    end
  end
end

local key = tag .. ':c'
local cools = left_of(key, COOLDOWN_MOST)
cooldown = math.min(cooldown, COOLDOWN_MOST)
if cooldown > cools then
  redis.call('SET', key, instance, 'PX', text(cooldown))
  if cooldown > cools + WORTH_TELLING then
    local deployment, scope = string.match(tag, '^{(.*):(%x+)}$')
    -- Who may not publish still has it in the key.
    redis.pcall('PUBLISH', deployment .. ':cooldowns', instance .. ' ' .. scope .. ' ' .. text(cooldown))
  end
  cools = cooldown
end

local granted, leased = false, 0
if asks ~= '' then
  key = tag .. ':p'
  leased = left_of(key, LEASE_LASTS)
  local owner = leased > 0 and redis.pcall('GET', key)
  if type(owner) == 'string' then
    granted = owner == instance
  else
    if leased > 0 then mended = mended + 1 end
    redis.call('SET', key, instance, 'PX', LEASE_LASTS)
    granted, leased = true, LEASE_LASTS
  end
end

return { current, added_to, cools, granted and 1 or 0, leased, mended, buckets }

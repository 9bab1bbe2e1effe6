/**
 * What must happen in one step on the server: membership, leases, fenced reading and fenced acknowledgement.
 *
 * Time is the server's, so members' clocks do not matter. A lease carries an epoch that rises with every new holder; a
 * script that takes over or acknowledges for a holder of the past changes nothing and says `stale`.
 */

export interface ScriptSource {
  readonly name: string
  readonly keyCount: number
  readonly lua: string
}

/** Binds `time`, the server's in seconds and microseconds, and `now`, in milliseconds. */
export const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** KEYS registry; ARGV member, token, topics (JSON), time to live, 1 on the first call. Answers ok, then name and topics of everybody. */
export const beat: ScriptSource = {
  name: 'shoalBeat',
  keyCount: 1,
  lua: `${NOW}
local all = redis.call('HGETALL', KEYS[1])
local answer = {'ok'}
for i = 1, #all, 2 do
  local limit, token, topics = string.match(all[i + 1], '^(%d+)|([^|]*)|(.*)$')
  if all[i] == ARGV[1] then
    if ARGV[5] ~= '1' and token ~= ARGV[2] then return {'replaced'} end
  elseif tonumber(limit) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = topics
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[4]) .. '|' .. ARGV[2] .. '|' .. ARGV[3])
answer[#answer + 1] = ARGV[1]
answer[#answer + 1] = ARGV[3]
return answer`,
}

/** KEYS registry; ARGV member, token. */
export const leave: ScriptSource = {
  name: 'shoalLeave',
  keyCount: 1,
  lua: `local mine = redis.call('HGET', KEYS[1], ARGV[1])
if mine and string.match(mine, '^%d+|([^|]*)|') == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 'ok'`,
}

/**
 * KEYS lease; ARGV member, epoch or '', time to live. Renews what is held. Answers `held`, `free`, or `taken` with its holder.
 */
export const look: ScriptSource = {
  name: 'shoalLook',
  keyCount: 1,
  lua: `${NOW}
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until')
if lease[1] == ARGV[1] and lease[2] == ARGV[2] then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[3]))
  return {'held', ARGV[1]}
end
if not lease[1] or lease[1] == '' or lease[1] == ARGV[1] or tonumber(lease[3]) <= now then return {'free', ''} end
return {'taken', lease[1]}`,
}

/**
 * KEYS lease; ARGV member, time to live, group. Answers the new epoch and what is committed, or `taken`. The guard of the former
 * epoch goes, the new one has its own: an empty stream that every read names too, so that Redis itself refuses the reads of
 * whoever held the lease before.
 */
export const claim: ScriptSource = {
  name: 'shoalClaim',
  keyCount: 1,
  lua: `${NOW}
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until', 'offset', 'metadata')
if lease[1] and lease[1] ~= '' and lease[1] ~= ARGV[1] and tonumber(lease[3]) > now then return {'taken'} end
local epoch = string.format('%.0f', (tonumber(lease[2]) or 0) + 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', epoch, 'until', string.format('%.0f', now + ARGV[2]))
local guard = KEYS[1] .. ':' .. epoch .. ':' .. ARGV[1]
redis.call('DEL', guard, KEYS[1] .. ':' .. (lease[2] or '') .. ':' .. (lease[1] or ''))
redis.call('XGROUP', 'CREATE', guard, ARGV[3], '$', 'MKSTREAM')
return {'claimed', epoch, lease[4] or '', lease[5] or ''}`,
}

/** KEYS lease; ARGV member, epoch. */
export const release: ScriptSource = {
  name: 'shoalRelease',
  keyCount: 1,
  lua: `local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 'stale' end
redis.call('HSET', KEYS[1], 'owner', '', 'until', '0')
redis.call('DEL', KEYS[1] .. ':' .. ARGV[2] .. ':' .. ARGV[1])
return 'ok'`,
}

const FENCE = `local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return {'stale'} end`

/**
 * Claims what `rows` of XPENDING say is pending, in order. `rules`: whether a claim counts as a delivery of what is ours already,
 * suspects in hand, how many there may be, and how many there may be beside an entry that was delivered once, twice and so on
 * without an end (the last one: and more); 0 is no limit, and no suspect. It ends before the first suspect that is one too many:
 * what is not claimed is not counted. Answers the id after which to go on ('' when nothing is left), entries, their counts, ids
 * that are gone, and `left` when a suspect is left for later.
 */
const CLAIM = `local inHand, limit = tonumber(rules[2]), tonumber(rules[3])
local function mayGo(count)
  local most = tonumber(rules[3 + math.max(1, math.min(count, #rules - 3))])
  if most == 0 then return true end
  if limit == 0 or most < limit then limit = most end
  if inHand >= limit then return false end
  inHand = inHand + 1
  return true
end
local ids, counts, last, word = {}, {}, '', ''
for _, row in ipairs(rows) do
  local isAgain = rules[1] == '0' and row[2] == member
  if not isAgain and not mayGo(row[4]) then
    word = 'left'
    break
  end
  ids[#ids + 1] = row[1]
  counts[row[1]] = isAgain and row[4] or row[4] + 1
  last = row[1]
end
if word == '' then last = #found == tonumber(most) and found[#found][1] or '' end
local entries, claims, lost = {}, {}, {}
for _, id in ipairs(ids) do
  local claimed = redis.call('XCLAIM', stream, group, member, 0, id, 'RETRYCOUNT', counts[id])
  if claimed[1] then
    entries[#entries + 1] = claimed[1]
    claims[#claims + 1] = counts[id]
  else
    lost[#lost + 1] = id
    redis.call('XACK', stream, group, id)
  end
end
return {'ok', last, entries, claims, lost, word}`

/**
 * KEYS lease, stream; ARGV member, epoch, group, first id, most entries, rules. What former holders left unfinished, whoever has
 * it: the lease is what makes it ours. Rules and answer are those of `CLAIM`.
 */
export const takeOver: ScriptSource = {
  name: 'shoalTakeOver',
  keyCount: 2,
  lua: `${FENCE}
local stream, member, group, most, rules = KEYS[2], ARGV[1], ARGV[3], ARGV[5], {unpack(ARGV, 6)}
local found = redis.call('XPENDING', stream, group, ARGV[4], '+', most)
local rows = found
${CLAIM}`,
}

/**
 * KEYS stream; ARGV member, group, idle limit, first id, most entries, 1 for our own, rules. Entries that their members gave no
 * sign of for the limit, or those that stand under our name. Ours are among the first, too: what we have in hand is kept alive,
 * and the rest was read by a connection that went before the answer came. Rules and answer are those of `CLAIM`.
 */
export const claimShared: ScriptSource = {
  name: 'shoalClaimShared',
  keyCount: 1,
  lua: `local stream, member, group, most, rules = KEYS[1], ARGV[1], ARGV[2], ARGV[5], {unpack(ARGV, 7)}
local found = ARGV[6] == '1' and redis.call('XPENDING', stream, group, ARGV[4], '+', most, member)
  or redis.call('XPENDING', stream, group, 'IDLE', ARGV[3], ARGV[4], '+', most)
local rows = found
${CLAIM}`,
}

/**
 * KEYS lease, stream; ARGV member, epoch, group, ids and counts in turn. Given back by a member that lives: the delivery does not
 * count.
 */
export const giveBack: ScriptSource = {
  name: 'shoalGiveBack',
  keyCount: 2,
  lua: `${FENCE}
for at = 4, #ARGV, 2 do
  redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[1], 0, ARGV[at], 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
end
return {'ok'}`,
}

/**
 * KEYS lease, stream; ARGV member, epoch, group, offset, metadata, ids that are done in one text: a thousand arguments cost more
 * than a thousand words, on both sides.
 */
export const commit: ScriptSource = {
  name: 'shoalCommit',
  keyCount: 2,
  lua: `${FENCE}
redis.call('HSET', KEYS[1], 'offset', ARGV[4], 'metadata', ARGV[5])
local ids, count = {}, 0
local function acknowledge()
  if count > 0 then redis.call('XACK', KEYS[2], ARGV[3], unpack(ids, 1, count)) end
  count = 0
end
for id in string.gmatch(ARGV[6], '%S+') do
  count = count + 1
  ids[count] = id
  if count == 1000 then acknowledge() end
end
acknowledge()
return {'ok'}`,
}

/**
 * KEYS lease, stream, letters; ARGV member, epoch, group, id, fields. The dead letter and the end of its entry, in one step. An
 * entry that is not pending any more has its letter: an answer was lost.
 */
export const bury: ScriptSource = {
  name: 'shoalBury',
  keyCount: 3,
  lua: `${FENCE}
local pending = redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[4], ARGV[4], 1)
if not pending[1] then return {'ok'} end
redis.call('XADD', KEYS[3], '*', unpack(ARGV, 5))
redis.call('XACK', KEYS[2], ARGV[3], ARGV[4])
return {'ok'}`,
}

/**
 * KEYS stream, letters; ARGV member, group, id, 1 when the entry leaves its stream, fields. The same for an entry that is ours
 * as long as no other member claimed it.
 */
export const buryShared: ScriptSource = {
  name: 'shoalBuryShared',
  keyCount: 2,
  lua: `local pending = redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[3], ARGV[3], 1)
if not pending[1] then return {'ok'} end
if pending[1][2] ~= ARGV[1] then return {'stale'} end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return {'ok'}`,
}

/** KEYS stream; ARGV group, member. Forgets a consumer that left, unless somebody still has to take over what it held. */
export const forget: ScriptSource = {
  name: 'shoalForget',
  keyCount: 1,
  lua: `local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #pending == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return 'ok'`,
}

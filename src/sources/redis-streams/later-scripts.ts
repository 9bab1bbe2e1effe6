/**
 * Records of shared streams that wait for their next attempt: what must happen in one step on the server.
 *
 *   stream ──delayShared──▶ waiting, by due time ──moveDue──▶ retries, a stream of the group's own ──▶ its members
 *     ▲ XACK in the same step                                     │ delayShared again, endRetried: XACK and XDEL
 *
 * A member of the set is the microsecond it was put there, then the entry's fields: so nothing is there twice, and what is
 * due at the same millisecond leaves in the order in which it came. Time is the server's.
 */

import { NOW, type ScriptSource } from './scripts.ts'

/** Digits of a time in microseconds: what a member of the set begins with. */
const STAMP = 16

/**
 * KEYS stream, waiting; ARGV member, group, id, 1 for a stream of retries, wait in milliseconds, fields. What waits is written
 * and its entry ended. An entry that is not pending any more was put off before: an answer was lost.
 */
export const delayShared: ScriptSource = {
  name: 'shoalDelayShared',
  keyCount: 2,
  lua: `${NOW}
local pending = redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[3], ARGV[3], 1)
if not pending[1] then return {'ok'} end
if pending[1][2] ~= ARGV[1] then return {'stale'} end
local fields = {}
for at = 6, #ARGV do fields[at - 5] = ARGV[at] end
local stamp = string.format('%0${STAMP}.0f', time[1] * 1000000 + time[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), stamp .. cmsgpack.pack(fields))
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return {'ok'}`,
}

/**
 * KEYS waiting, retries; ARGV most entries. What is due goes where it is read, the longest due first. Answers how many, and in
 * how many milliseconds the next is due, -1 when nothing waits.
 */
export const moveDue: ScriptSource = {
  name: 'shoalMoveDue',
  keyCount: 2,
  lua: `${NOW}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', unpack(cmsgpack.unpack(string.sub(member, ${STAMP + 1}))))
  redis.call('ZREM', KEYS[1], member)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not next[1] then return {#due, -1} end
return {#due, math.max(0, tonumber(next[2]) - now)}`,
}

/** KEYS retries; ARGV group, ids. What is handled leaves the stream: nobody else reads it. */
export const endRetried: ScriptSource = {
  name: 'shoalEndRetried',
  keyCount: 1,
  lua: `redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
return 'ok'`,
}

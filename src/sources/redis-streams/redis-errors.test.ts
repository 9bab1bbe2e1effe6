import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { troubleOf } from './redis-errors.ts'

/** As ioredis hands on what the server answered. */
function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

describe('what an error of Redis means', () => {
  test('a server that is not ready, is full, or has just changed its part is tried again', () => {
    const passing = [
      'LOADING Redis is loading the dataset in memory',
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      "READONLY You can't write against a read only replica.",
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'TRYAGAIN Multiple keys request during rehashing of slot',
      'CLUSTERDOWN The cluster is down',
      'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
      "OOM command not allowed when used memory > 'maxmemory'.",
      'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
      'NOREPLICAS Not enough good replicas to write.',
      'ERR max number of clients reached',
      'MISCONF Errors writing to the AOF file: No space left on device script: 42, on @user_script:3.',
    ]
    assert.deepEqual(
      passing.filter((message) => troubleOf(reply(message)) !== 'away'),
      [],
    )
    assert.equal(troubleOf(new Error('Connection is closed.')), 'away')
  })

  test('what does not mend itself is told as what it is', () => {
    assert.deepEqual(
      [
        'WRONGPASS invalid username-password pair or user is disabled.',
        'WRONGTYPE Operation against a key holding the wrong kind of value',
        "NOGROUP No such key 'orders' or consumer group 'g'",
        "ERR unknown command 'XADD'",
      ].map((message) => troubleOf(reply(message))),
      ['credentials', 'wrong-type', 'no-group', 'refused'],
    )
    assert.equal(troubleOf(new TypeError('undefined is not a function')), 'refused')
  })
})

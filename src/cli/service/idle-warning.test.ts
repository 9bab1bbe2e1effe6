import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AdminPort, GroupDescription } from '../../admin/index.ts'
import { telemetry } from '../../consumer/index.ts'
import { memoryLogger, VirtualClock } from '../../core/index.ts'
import { warnWhenIdle } from './idle-warning.ts'

const partition = { topic: 't', partition: 0, epoch: 1 }

describe('a member without a partition', () => {
  test('is told once the group has settled, with the fix', async () => {
    const { clock, logger, watch } = watched('Stable')
    joined()
    await clock.advance(9_999)
    assert.equal(logger.lines.length, 0)
    await clock.advance(1)
    const [line, ...more] = logger.lines
    assert.deepEqual([line?.level, more], ['warn', []])
    assert.match(
      line?.message ?? '',
      /^This member has no partition: 2 members for 1 partitions: 1 idle \(b\).*; at most as many members as partitions/,
    )
    await watch[Symbol.asyncDispose]()
  })

  test('is told nothing while it has work, or while the group rebalances', async () => {
    const busy = watched('Stable')
    joined()
    telemetry.rebalance.publish({ group: 'g', kind: 'assigned', partitions: [partition] })
    await busy.clock.advance(60_000)
    assert.deepEqual(busy.logger.lines, [])
    await busy.watch[Symbol.asyncDispose]()

    const moving = watched('PreparingRebalance')
    joined()
    await moving.clock.advance(60_000)
    assert.deepEqual(moving.logger.lines, [])
    await moving.watch[Symbol.asyncDispose]()
  })

  test('is told when what it had went to others', async () => {
    const { clock, logger, watch } = watched('Stable')
    joined()
    telemetry.rebalance.publish({ group: 'g', kind: 'assigned', partitions: [partition] })
    await clock.advance(60_000)
    telemetry.rebalance.publish({ group: 'g', kind: 'released', partitions: [partition] })
    await clock.advance(10_000)
    assert.equal(logger.lines.length, 1)
    await watch[Symbol.asyncDispose]()
    assert.equal(clock.pendingCount, 0)
  })
})

function joined(): void {
  const notice = { kind: 'joined', memberId: 'b-1', generation: 1, protocol: 'p' } as const
  telemetry.notice.publish({ group: 'g', notice })
}

/** A group of two members for one partition, as far as it is asked. */
function watched(state: GroupDescription['state']) {
  const clock = new VirtualClock()
  const logger = memoryLogger()
  const members = ['a', 'b'].map((clientId) => ({
    clientId,
    assignment: clientId === 'a' ? [{ topic: 't', partitions: [0] }] : [],
  }))
  const admin = {
    describeGroup: async () => ({ groupId: 'g', state, members }),
    committedOffsets: async () => [],
    offsets: async () => [],
    close: async () => {},
  } as unknown as AdminPort
  const watch = warnWhenIdle({ group: 'g', timers: clock, logger, openAdmin: async () => admin })
  return { clock, logger, watch }
}

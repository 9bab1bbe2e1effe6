/**
 * Seed 001, lines 111-187: what starts a rebalance, and what the members go through.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PythonKind } from '../real/python.ts'
import type { Member } from './member.ts'
import { clients, eachClient, SeedBroker, seedSuite, Stage } from './stage.ts'
import { BEFORE_SESSION_END_MS, elapse, eventually, once, ROOM_MS, timed } from './waiting.ts'

const range = { 'partition.assignment.strategy': 'range' }
const cooperative = { 'partition.assignment.strategy': 'cooperative-sticky' }
const PARTITIONS = [0, 1, 2, 3]

describe('seed 001, rebalancing', seedSuite, () => {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** One of two members is killed; the other takes over after the session of fifteen seconds. */
  const crash = once(async () => {
    await using stage = await Stage.set(broker, 's001-04', { partitions: 4 })
    const [first, second] = await pair(stage, { 'session.timeout.ms': 15_000 })
    const tookMs = await timed(async () => {
      await first.crash()
      await second.untilOwns(PARTITIONS)
    })
    return { tookMs, members: (await stage.untilStable(1)).members }
  })

  /** One of two members leaves, with a session of 45 seconds. */
  const leave = once(async () => {
    await using stage = await Stage.set(broker, 's001-20', { partitions: 4 })
    const [first, second] = await pair(stage, { 'session.timeout.ms': 45_000 })
    const closing = first.close()
    const tookMs = await timed(() => second.untilOwns(PARTITIONS))
    await closing
    return { tookMs, left: await stage.untilStable(1), second }
  })

  /** A group before and after its first member joins. */
  const birth = once(async () => {
    await using stage = await Stage.set(broker, 's001-07', { partitions: 2 })
    const before = await broker.observer.groups()
    const member = stage.member()
    await member.untilOwns([0, 1])
    const { state } = await stage.untilStable(1)
    return { name: stage.group, before, after: await broker.observer.groups(), state }
  })

  /** A and B share six partitions cooperatively, C joins, B crashes: what each was told in each step. */
  const steps = once(async () => {
    await using stage = await Stage.set(broker, 's001-17', { partitions: 6 })
    const join = () => stage.member({ ...cooperative, 'session.timeout.ms': 15_000 })
    const a = join()
    await a.untilOwnsSome(6)
    const b = join()
    await Promise.all([a.untilOwnsSome(3), b.untilOwnsSome(3)])
    await stage.untilStable(2)
    const beforeJoin = snapshot(a, b)
    const c = join()
    await Promise.all([a, b, c].map((member) => member.untilOwnsSome(2)))
    await stage.untilStable(3)
    const afterJoin = snapshot(a, b, c)
    const revokedByJoin = [a, b].map((member, index) =>
      member.told('revoke', beforeJoin[index]!.events),
    )
    await b.crash()
    await Promise.all([a.untilOwnsSome(3), c.untilOwnsSome(3)])
    await stage.untilStable(2)
    const survivors = [
      { member: a, before: afterJoin[0]! },
      { member: c, before: afterJoin[2]! },
    ].map(({ member, before }) => ({
      kept: before.owned,
      owned: member.owned,
      revoked: member.told('revoke', before.events),
    }))
    return { beforeJoin, afterJoin, revokedByJoin, survivors }
  })

  /** B joins A while records come every 20 ms, without commits or with one after each record. */
  async function joinUnderLoad(kind: PythonKind, commit: 'none' | 'each') {
    await using stage = await Stage.set(broker, `s001-24-${commit}`, { kind, partitions: 4 })
    const first = stage.member({ ...cooperative, 'client.id': 'A' }, { commit })
    await first.untilOwns(PARTITIONS)
    const load = new AbortController()
    const producing = produceEvery20ms(stage, load.signal)
    await first.untilMessages(8)
    const second = stage.member({ ...cooperative, 'client.id': 'B' }, { commit })
    await Promise.all([first.untilOwnsSome(2), second.untilOwnsSome(2)])
    await second.untilMessages(8)
    load.abort()
    const count = await producing
    const missing = await eventually(
      async () => undelivered(count, [first, second]),
      (missing) => missing.length === 0,
    )
    const joining = second.of('subscribed')[0]!.at
    const joined = second.of('assign').find(({ partitions = [] }) => partitions.length > 0)!.at
    return {
      missing,
      kept: first.owned,
      moved: second.owned,
      revoked: first.told('revoke'),
      lost: first.told('lost'),
      refused: [first, second].flatMap((member) => member.of('commit-raised')).length,
      during: first.messages.filter(({ at }) => at > joining && at < joined),
      messages: first.messages,
    }
  }
  const underLoad = once(() => joinUnderLoad(clients.at(-1)!, 'none'))

  /** B joins A, which has everything, with the eager range assignor. */
  const eager = once(async () => {
    await using stage = await Stage.set(broker, 's001-24-eager', { partitions: 4 })
    const [first] = await pair(stage, {})
    return { revoked: first.told('revoke'), owned: first.owned }
  })

  test('S001-04 tolerates the death of a member: the other has all within the session timeout', async () => {
    const { tookMs } = await crash()
    assert.ok(tookMs < 15_000 + ROOM_MS, `${tookMs} ms`)
  })

  test('S001-07 creates a group when its first member joins', async () => {
    const { name, before, after } = await birth()
    assert.ok(!before.includes(name))
    assert.ok(after.includes(name))
  })

  test('S001-17 moves cooperatively: only what changes its owner is revoked', async () => {
    const { beforeJoin, afterJoin, revokedByJoin, survivors } = await steps()
    for (const [index, revoked] of revokedByJoin.entries())
      assert.deepEqual(
        revoked,
        beforeJoin[index]!.owned.filter(
          (partition) => !afterJoin[index]!.owned.includes(partition),
        ),
      )
    assert.deepEqual(
      revokedByJoin.flat().toSorted((a, b) => a - b),
      afterJoin[2]!.owned,
    )
    assert.deepEqual(
      survivors.map(({ revoked }) => revoked),
      [[], []],
    )
  })

  test('S001-19 rebalances when a member joins', async () => {
    const { state } = await birth()
    assert.equal(state, 'Stable')
    assert.deepEqual((await eager()).owned, [0, 1])
  })

  test('S001-20 rebalances at once when a member leaves', async () => {
    const { tookMs } = await leave()
    assert.ok(tookMs < BEFORE_SESSION_END_MS, `${tookMs} ms, where the session lasts 45 s`)
  })

  test('S001-21 rebalances after a crash, when the session has ended and not before', async () => {
    const { tookMs, members } = await crash()
    // the last heartbeat was some seconds old when the member was killed
    assert.ok(tookMs > 5_000, `${tookMs} ms`)
    assert.deepEqual(
      members.map(({ clientId, partitions }) => ({ clientId, partitions })),
      [{ clientId: 'B', partitions: PARTITIONS }],
    )
  })

  test('S001-22 rebalances when partitions are added', async () => {
    await using stage = await Stage.set(broker, 's001-22', { partitions: 2 })
    const member = stage.member({ 'topic.metadata.refresh.interval.ms': 1_000 })
    await member.untilOwns([0, 1])
    await broker.observer.addPartitions(stage.topic, 4)
    await member.untilOwns([0, 1, 2, 3])
    assert.deepEqual((await stage.untilStable(1)).members[0]!.partitions, [0, 1, 2, 3])
  })

  test('S001-23 never revokes what a member keeps (cooperative)', async () => {
    const { beforeJoin, afterJoin, revokedByJoin, survivors } = await steps()
    for (const index of [0, 1]) {
      const kept = beforeJoin[index]!.owned.filter((p) => afterJoin[index]!.owned.includes(p))
      assert.equal(kept.length, 2)
      assert.ok(kept.every((partition) => !revokedByJoin[index]!.includes(partition)))
    }
    for (const { kept, owned } of survivors) assert.ok(kept.every((p) => owned.includes(p)))
  })

  test('S001-24 revokes everything traditionally (range)', async () => {
    assert.deepEqual((await eager()).revoked, PARTITIONS)
  })

  test('S001-24b lets kept partitions flow on while another member joins, and revokes what moves', async () => {
    const { kept, moved, revoked, during, missing, messages } = await underLoad()
    assert.deepEqual(revoked, moved)
    assert.deepEqual(
      [...kept, ...moved].toSorted((a, b) => a - b),
      PARTITIONS,
    )
    assert.deepEqual(missing, [])
    for (const partition of kept) {
      assert.ok(during.some((message) => message.partition === partition))
      const offsets = messages.filter((m) => m.partition === partition).map(({ offset }) => offset)
      assert.deepEqual(offsets, [...offsets.keys()], 'each record once, in order')
    }
  })

  test('S001-24c misses no record when each is committed during a cooperative rebalance', async (context) => {
    await eachClient(async (kind) => {
      const { missing, refused, lost } = await joinUnderLoad(kind, 'each')
      assert.deepEqual(missing, [])
      context.diagnostic(
        `confluent-kafka ${kind}: ${refused} commits refused, partitions lost: ${lost.join() || 'none'}`,
      )
    })
  })

  test('S001-25 CONTRADICTION: the picture has partition 1 twice; the sets of A and B are disjoint', async () => {
    const { kept, moved } = await underLoad()
    assert.deepEqual(
      kept.filter((partition) => moved.includes(partition)),
      [],
    )
  })

  test('S001-26 has the benefits of the list: no full stop, unaffected partitions go on', async () => {
    const { during, kept } = await underLoad()
    assert.ok(during.length > 0)
    assert.equal(kept.length, 2)
    const { survivors } = await steps()
    assert.deepEqual(
      survivors.map(({ kept, owned }) => owned.length - kept.length),
      [1, 1],
    )
  })

  test('S001-27 keeps an idle member alive by heartbeats every ten seconds', async () => {
    await using stage = await Stage.set(broker, 's001-27')
    const member = stage.member({ 'heartbeat.interval.ms': 10_000, 'session.timeout.ms': 30_000 })
    await member.untilOwns([0])
    const joined = await stage.untilStable(1)
    await elapse(36_000)
    assert.deepEqual(await broker.observer.group(stage.group), joined)
    assert.deepEqual(
      member.events.map(({ event }) => event),
      ['subscribed', 'assign'],
    )
  })

  test('S001-28 considers a member dead after thirty seconds without heartbeat', async () => {
    await using stage = await Stage.set(broker, 's001-28', { partitions: 4 })
    const [first, second] = await pair(stage, { 'session.timeout.ms': 30_000 })
    const tookMs = await timed(() => {
      first.program.kill('SIGSTOP')
      return second.untilOwns(PARTITIONS)
    })
    assert.ok(tookMs > 15_000 && tookMs < 30_000 + ROOM_MS, `${tookMs} ms`)
  })

  test('S001-32 refuses a session timeout that is too low', async () => {
    await eachClient(async (kind) => {
      await using stage = await Stage.set(broker, 's001-32', { kind })
      const member = stage.member({ 'session.timeout.ms': 1_000, 'heartbeat.interval.ms': 300 })
      assert.equal((await member.untilTold('error')).error, 'INVALID_SESSION_TIMEOUT')
      assert.deepEqual(member.owned, [])
    })
  })

  test('S001-53 has a member gone at once that shuts down gracefully', async () => {
    const { left, second } = await leave()
    assert.deepEqual(
      left.members.map(({ clientId }) => clientId),
      ['B'],
    )
    assert.deepEqual(second.told('lost'), [])
  })
})

/** A with everything, then B beside it, by range on four partitions. */
async function pair(
  stage: Stage,
  conf: Readonly<Record<string, string | number | boolean>>,
): Promise<readonly [Member, Member]> {
  const first = stage.member({ ...range, ...conf, 'client.id': 'A' })
  await first.untilOwns(PARTITIONS)
  const second = stage.member({ ...range, ...conf, 'client.id': 'B' })
  await Promise.all([first.untilOwns([0, 1]), second.untilOwns([2, 3])])
  await stage.untilStable(2)
  return [first, second]
}

function snapshot(...members: readonly Member[]) {
  return members.map((member) => ({ owned: member.owned, events: member.events.length }))
}

/** Sends one record to each partition every 20 ms; resolves with how many each has. */
async function produceEvery20ms(stage: Stage, signal: AbortSignal): Promise<number> {
  let count = 0
  while (!signal.aborted) {
    await stage.produce(PARTITIONS.map((partition) => ({ value: `${count}`, partition })))
    count += 1
    await elapse(20)
  }
  return count
}

/** What none of the members got, as partition:offset. */
function undelivered(count: number, members: readonly Member[]): readonly string[] {
  const delivered = new Set(
    members.flatMap(({ messages }) => messages.map((m) => `${m.partition}:${m.offset}`)),
  )
  return PARTITIONS.flatMap((partition) =>
    Array.from({ length: count }, (_, offset) => `${partition}:${offset}`),
  ).filter((record) => !delivered.has(record))
}

/**
 * What a rebalance costs the partitions that do not move: under load, C joins A and B, then B is killed.
 *
 *   A B ─── steady ───▶ +C ─── until settled, and as long again ───▶ B killed ─── until settled ───▶
 *
 * For each partition the gaps between processed records are taken. Beside each group stands one of a single member of the same
 * kind that nobody joins, with the same records at the same time: its gaps are the normal spread, with whatever this machine
 * was busy with. The partitions that stay must be kept throughout, and go on while the session of the dead member
 * runs; an eager group, for comparison, stops everything.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KafkaClient, KafkaProducer } from '../../src/sources/kafka/index.ts'
import { pythonMissing } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { shoal, ShoalProcess } from '../real/shoal.ts'
import { elapse, eventually } from '../seeds/waiting.ts'
import { kinds, startMember } from './group-members.ts'
import type { GroupMember, MemberKind, Place } from './group-members.ts'
import { OwnershipJournal } from './ownership-journal.ts'

const PARTITIONS = 6
const EVERY_MS = 10
const TOPIC = 'gaps'
/** Longer than a machine stands still: who is not killed stays, and a group that waits for the dead one shows it. */
const SESSION_TIMEOUT_MS = 10_000
const HEARTBEAT_MS = 500
/** What a gap may be, beside the longest of the undisturbed group, before it counts as a stop: far below a session. */
const mostMs = (normalMs: number) => 3 * normalMs + SESSION_TIMEOUT_MS / 5

interface Watched {
  readonly kind: MemberKind
  readonly place: Place
  readonly times: readonly number[][]
}

describe('a rebalance under load', needs(pythonMissing('2.16.1')), () => {
  test('leaves the partitions that do not move as they were', async (context) => {
    await using broker = await ShoalProcess.start({
      settings: {
        'group.min.session.timeout.ms': '1000',
        'group.consumer.session.timeout.ms': String(SESSION_TIMEOUT_MS),
        'group.consumer.heartbeat.interval.ms': String(HEARTBEAT_MS),
      },
    })
    const { bootstrap } = broker
    await shoal(['topics', 'create', TOPIC, '--partitions', String(PARTITIONS), '-b', bootstrap])
    await using client = await KafkaClient.open({ brokers: bootstrap })
    const groups = kinds.map((kind) => watched(kind, `gaps-${kind}`, broker))
    const undisturbed = kinds.map((kind) => watched(kind, `undisturbed-${kind}`, broker))
    const all = [...undisturbed, ...groups]
    const members: GroupMember[] = []
    const start = async ({ kind, place }: Watched, name: string) => {
      const member = await startMember(kind, `${kind}-${name}`, place)
      members.push(member)
      return member
    }
    await using load = new Load(client)
    await using _ = { [Symbol.asyncDispose]: async () => closeAll(members) }

    await Promise.all(undisturbed.map((group) => start(group, 'alone')))
    await Promise.all(groups.map((group) => start(group, 'A')))
    await untilShared(all, 1)
    const doomed = await Promise.all(groups.map((group) => start(group, 'B')))
    await untilShared(groups, 2)
    await untilRecords(all, 50)
    const steadyMs = Date.now()
    await elapse(2_000)
    const joinMs = Date.now()
    await Promise.all(groups.map((group) => start(group, 'C')))
    await untilShared(groups, 3)
    const joinedMs = Date.now() + 500
    await untilRecords(all, 50)
    const killMs = Date.now()
    for (const member of doomed) members.splice(members.indexOf(member), 1)
    await Promise.all(doomed.map((member) => member.kill()))
    await untilShared(groups, 2)
    const killedMs = Date.now() + 500
    await untilRecords(all, 50)
    await load.stop()

    const during = {
      steady: [steadyMs, joinMs],
      join: [joinMs, joinedMs],
      kill: [killMs, killedMs],
    }
    for (const [index, { kind, place, times }] of groups.entries()) {
      const { violations } = place.journal.overlaps()
      assert.deepEqual(violations, [], `${kind}: no partition has two owners at once`)
      for (const [phase, [fromMs = 0, untilMs = 0]] of Object.entries(during)) {
        const kept = place.journal.keptThrough(fromMs, untilMs)
        const normal = longestGap(undisturbed[index]!.times, kept, fromMs, untilMs)
        const longest = longestGap(times, kept, fromMs, untilMs)
        context.diagnostic(
          `${kind}, ${phase} of ${untilMs - fromMs} ms: ${kept.length} partitions kept, longest gap ${longest} ms (undisturbed group ${normal} ms)`,
        )
        if (kind === 'eager') continue
        assert.ok(kept.length >= 2, `${kind}: a third keeps its partitions`)
        assert.ok(longest <= mostMs(normal), `${kind}, ${phase}: ${longest} ms against ${normal}`)
      }
    }
    const eager = groups.find(({ kind }) => kind === 'eager')!
    assert.ok(
      longestGap(eager.times, range(PARTITIONS), killMs, killedMs) > SESSION_TIMEOUT_MS / 2,
      'the eager group stops, which this measures',
    )
  })
})

function watched(kind: MemberKind, group: string, broker: ShoalProcess): Watched {
  const times: number[][] = range(PARTITIONS).map(() => [])
  const place: Place = {
    bootstrap: broker.bootstrap,
    url: broker.url,
    group,
    topic: TOPIC,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    heartbeatIntervalMs: HEARTBEAT_MS,
    commit: 'interval',
    journal: new OwnershipJournal(),
    processed: (_, partition, __, atMs) => void times[partition]?.push(atMs),
  }
  return { kind, place, times }
}

async function closeAll(members: readonly GroupMember[]): Promise<void> {
  await Promise.all(members.map((member) => member.leave()))
}

/** Every partition has one owner, and so many members have some. */
async function untilShared(groups: readonly Watched[], members: number): Promise<void> {
  for (const { place } of groups)
    await eventually(
      async () => [...place.journal.owners().values()],
      (owners) =>
        owners.length === PARTITIONS &&
        owners.every((names) => names.length === 1) &&
        new Set(owners.flat()).size === members,
    )
}

/** Every partition of every group got so many more. */
async function untilRecords(groups: readonly Watched[], count: number): Promise<void> {
  const before = groups.map(({ times }) => times.map(({ length }) => length))
  await eventually(
    async () =>
      Math.min(
        ...groups.flatMap(({ times }, group) =>
          times.map(({ length }, partition) => length - before[group]![partition]!),
        ),
      ),
    (fewest) => fewest >= count,
  )
}

/** The longest time without a record in these partitions, the ends of the window included. */
function longestGap(
  times: readonly (readonly number[])[],
  partitions: readonly number[],
  fromMs: number,
  untilMs: number,
): number {
  let longest = 0
  for (const partition of partitions) {
    const inside = (times[partition] ?? []).filter((atMs) => atMs >= fromMs && atMs <= untilMs)
    const points = [fromMs, ...inside, untilMs]
    for (let index = 1; index < points.length; index++)
      longest = Math.max(longest, points[index]! - points[index - 1]!)
  }
  return Math.round(longest)
}

/** One record to every partition, again and again, until it is stopped. */
class Load implements AsyncDisposable {
  #isOver = false
  readonly #producing: Promise<void>

  constructor(client: KafkaClient) {
    this.#producing = this.#produce(new KafkaProducer(client, { lingerMs: 0 }))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#producing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #produce(producer: KafkaProducer): Promise<void> {
    const value = new TextEncoder().encode('x')
    while (!this.#isOver) {
      await Promise.all(
        range(PARTITIONS).map((partition) =>
          producer.send({ topic: TOPIC, partition, key: null, value, headers: [] }),
        ),
      )
      await elapse(EVERY_MS)
    }
    await producer.close()
  }
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}

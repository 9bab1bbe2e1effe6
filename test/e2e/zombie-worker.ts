/**
 * A member that is stopped in the middle of its work (SIGSTOP), and says what it could still do when it woke.
 *
 *   half handled and committed, half under way ─▶ `working` ─▶ (stopped) ─▶ wakes: what was under way finishes, the
 *   runtime commits what it dares to, and a commit is sent by hand as the member that it was ─▶ `lost` ─▶ a summary
 */

import { consumer } from '../../src/consumer/index.ts'
import type {
  CommitPosition,
  CommitResult,
  Source,
  SourceEvents,
  SourceSession,
} from '../../src/consumer/index.ts'
import { KafkaClient, commitOffsets, kafka } from '../../src/sources/kafka/index.ts'
import { memberOptions } from './member-options.ts'

const [, , brokers = '', topic = '', group = '', records = '', sessionTimeoutMs = ''] = process.argv
const half = Number(records) / 2
const options = memberOptions(group, 'zombie', Number(sessionTimeoutMs))
const client = await KafkaClient.open({ brokers })
const stop = new AbortController()
const woken = Promise.withResolvers<void>()
const committed = new Map<number, number>()

/** The member that it was when it was stopped. */
let member = { memberId: '', generation: -1 }
/** The newest epoch of that time. */
let oldEpoch = 0
let hasWoken = false
let [underWay, finishedLate, attemptedLate, acceptedLate] = [0, 0, 0, 0]

const running = await consumer({
  group,
  source: watched(kafka({ brokers, topics: [topic], ...options })),
  concurrency: 200,
  handle: async (_value, { offset }) => {
    // Two partitions hold half of the records each.
    if (hasWoken || offset < half / 2) return
    underWay++
    await woken.promise
    finishedLate++
  },
}).start({ signal: stop.signal })

process.on('SIGCONT', () => void wake())
process.on('SIGTERM', () => stop.abort())
await running.finished
await client.close()
tell(JSON.stringify({ finishedLate, attemptedLate, acceptedLate }))
process.exit()

/** Among the first that runs after the stop: before the member itself notices. */
async function wake(): Promise<void> {
  hasWoken = true
  const was = member
  woken.resolve()
  const positions = [0, 1].map((partition) => ({ topic, partition, offset: 1, metadata: 'late' }))
  const request = { group, ...was, groupInstanceId: options.groupInstanceId ?? null, positions }
  const errors = await commitOffsets(client, request)
  tell(`by hand ${[...new Set(errors.values())].join()}`)
}

function watched(source: Source): Source {
  return {
    ...source,
    open: async (context) => {
      const session = await source.open({ ...context, events: watchedEvents(context.events) })
      return {
        get memberId() {
          return session.memberId
        },
        pause: (partition) => session.pause(partition),
        resume: (partition) => session.resume(partition),
        ownershipIsFresh: () => session.ownershipIsFresh(),
        produce: (record) => session.produce(record),
        close: () => session.close(),
        commit: (positions) => commit(session, positions),
      }
    },
  }
}

async function commit(
  session: SourceSession,
  positions: readonly CommitPosition[],
): Promise<readonly CommitResult[]> {
  if (!hasWoken) member = { ...member, memberId: session.memberId }
  const old = positions.filter(({ epoch }) => hasWoken && epoch <= oldEpoch)
  attemptedLate += old.length
  const results = await session.commit(positions)
  acceptedLate += results.filter(
    ({ epoch, outcome }) => hasWoken && epoch <= oldEpoch && outcome === 'committed',
  ).length
  if (!hasWoken) noteCommitted(positions)
  return results
}

function noteCommitted(positions: readonly CommitPosition[]): void {
  for (const { partition, offset } of positions) committed.set(partition, offset)
  const isHalf =
    committed.size === 2 && [...committed.values()].every((offset) => offset === half / 2)
  if (isHalf && underWay === half) tell('working')
}

function watchedEvents(events: SourceEvents): SourceEvents {
  return {
    assigned: (assignments) => {
      for (const { epoch, generation = -1 } of assignments)
        if (!hasWoken) {
          oldEpoch = Math.max(oldEpoch, epoch)
          member = { ...member, generation }
        }
      events.assigned(assignments)
    },
    revoked: (partitions, limitMs) => events.revoked(partitions, limitMs),
    lost: (partitions) => {
      events.lost(partitions)
      tell(`lost ${partitions.length}`)
    },
    records: (batch) => events.records(batch),
    endOfPartition: (partition, offset) => events.endOfPartition(partition, offset),
    notice: (notice) => events.notice(notice),
    failed: (error) => events.failed(error),
  }
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`)
}

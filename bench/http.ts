/**
 * The HTTP API under load: publishing 1, 100 and 1,000 messages a request over 1 and 8 connections, and working through a topic by
 * poll and commit, and by poll and ack. Every answer leaves after the disk has what it rests on.
 *
 * 100-byte values, a topic of one partition, connections kept alive; the load is raw sockets in this process, so that it costs
 * little. On one connection without pipelining each durable answer costs a sync of the disk and a round trip: the first row says
 * how many syncs the disk alone allows, and such rows their share of it (`shareOfDisk`). What any server on `node:http` could
 * give at most stands beside it (`load/bare-http.ts`: the same disk, nothing parsed, no log), and `shareOfBare` says how
 * much of that is left. Rows with `depth` have so many requests under way on each connection. GoQueue's figures to compare with are in the question: it acknowledges
 * before the disk. What it does not show: TLS, large messages, a slow network.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from '../test/real/program.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { contest, cpuSeconds, publish, type Contender, type Figures } from './contest.ts'
import { syncsPerSecond } from './load/bare-disk.ts'
import { HttpConnection, pressed } from './load/http-connection.ts'

const SCALE = Number(process.env['SHOAL_BENCH_HTTP_SCALE'] ?? 1)
const VALUE = 'x'.repeat(100)
const MESSAGES = Math.round(20_000 * SCALE)
const POLLED = 100
/** One message each. */
const SEQUENTIAL_REQUESTS = 10_000
/** A record of a value, in its batch and in the journal's frame. */
const JOURNALED_BYTES = 300

await using broker = await ShoalProcess.start()
const port = Number(new URL(broker.url).port)
let names = 0

interface Polled {
  readonly offset: number
  readonly receipt_handle: string
}

type Settle = (member: Member, messages: readonly Polled[]) => Promise<unknown>[]

interface Member {
  readonly connection: HttpConnection
  readonly topic: string
  readonly group: string
  readonly generation: number
  /** At most so many requests at a time. */
  readonly depth: number
}

const commitEach: Settle = (member, messages) =>
  messages
    .map(
      ({ offset }) =>
        () =>
          commit(member, offset + 1),
    )
    .map(inTurn(member.depth))
const commitOnce: Settle = (member, messages) => [
  commit(member, Math.max(...messages.map(({ offset }) => offset)) + 1),
]
const ackEach: Settle = ({ connection, depth }, messages) =>
  messages
    .map(
      ({ receipt_handle }) =>
        () =>
          connection.request('POST', '/messages/ack', { receipt_handle }),
    )
    .map(inTurn(depth))
const ackOnce: Settle = ({ connection }, messages) => [
  connection.request('POST', '/messages/ack', {
    receipt_handles: messages.map(({ receipt_handle }) => receipt_handle),
  }),
]

const disk: Contender = {
  name: 'write+fdatasync alone',
  turn: async () => ({
    messagesPerSecond: syncsPerSecond(Math.round(2_000 * SCALE), JOURNALED_BYTES),
  }),
}
const bareName = (connections: number) => `bare node:http, ${named(connections)}, depth 1`
const publishName = (batch: number, connections: number, depth: number) =>
  `publish ${batch} a request, ${named(connections)}, depth ${depth}`
const bare: readonly Contender[] = [1, 8].map((connections) => ({
  name: bareName(connections),
  turn: () => bareServer(connections),
}))
/** What waits for a sync with each message, nothing else under way. */
const sequential: ReadonlySet<string> = new Set([
  publishName(1, 1, 1),
  'poll 100, commit each message',
  'poll 100, ack each message',
])

const publishing: Contender[] = []
for (const [batch, requests] of [
  [1, SEQUENTIAL_REQUESTS],
  [100, 1_000],
  [1_000, 200],
] as const)
  for (const connections of [1, 8])
    for (const depth of batch === 1 ? [1, 32] : [1])
      publishing.push({
        name: publishName(batch, connections, depth),
        turn: () =>
          publishMany({ batch, connections, depth, requests: Math.round(requests * SCALE) }),
      })

const working: readonly Contender[] = [
  { name: 'poll 100, commit each message', turn: () => work({ depth: 1, settle: commitEach }) },
  {
    name: 'poll 100, commit each message, depth 32',
    turn: () => work({ depth: 32, settle: commitEach }),
  },
  { name: 'poll 100, commit once', turn: () => work({ depth: 1, settle: commitOnce }) },
  { name: 'poll 100, ack each message', turn: () => work({ depth: 1, settle: ackEach }) },
  {
    name: 'poll 100, ack each message, depth 32',
    turn: () => work({ depth: 32, settle: ackEach }),
  },
  { name: 'poll 100, ack once', turn: () => work({ depth: 1, settle: ackOnce }) },
]

const figures = await contest([disk, ...bare, ...publishing, ...working])
const diskPerSecond = figures.get(disk.name)?.['messagesPerSecond'] ?? Number.NaN
await publish('http', {
  question:
    'HTTP API, 100-byte messages, every answer after the disk: messages a second (GoQueue, before the disk: publish 6,500-7,000 on one connection, 10,200-12,000 on eight, 67,000-80,000 with 100 a request on eight; poll and commit 500-700; poll and ack 1,300-3,400)',
  rows: [...figures].map(([what, row]) => ({
    what,
    ...row,
    ...shareOfDisk(what, row),
    ...shareOfBare(what, row),
  })),
})

function shareOfDisk(what: string, { messagesPerSecond = Number.NaN }: Figures): Figures {
  return sequential.has(what) ? { shareOfDisk: messagesPerSecond / diskPerSecond } : {}
}

function shareOfBare(what: string, { messagesPerSecond = Number.NaN }: Figures): Figures {
  const connections = [1, 8].find((count) => what === publishName(1, count, 1))
  if (connections === undefined) return {}
  const most = figures.get(bareName(connections))?.['messagesPerSecond'] ?? Number.NaN
  return { shareOfBare: messagesPerSecond / most }
}

function named(connections: number): string {
  return connections === 1 ? '1 connection' : `${connections} connections`
}

/** A server that does nothing but take, sync and answer, under the same load. */
async function bareServer(connections: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bare-'))
  const server = new Program(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'load/bare-http.ts'),
    join(folder, 'file'),
    String(JOURNALED_BYTES),
  ])
  try {
    await server.until(({ stdout }) => stdout.includes('\n'))
    const barePort = Number(server.stdout)
    const open = await Promise.all(
      Array.from({ length: connections }, () => HttpConnection.open(barePort)),
    )
    const message = first(open).prepare('POST', '/', { value: VALUE })
    const requests = Math.round(SEQUENTIAL_REQUESTS * SCALE)
    const publish = (count: number) =>
      pressed(open, { count, depth: 1 }, (connection) => connection.send(message))
    // It is as old as its turn: what the broker has long compiled, it compiles first.
    await publish(requests)
    const seconds = await publish(requests)
    for (const connection of open) connection.close()
    return { messagesPerSecond: requests / seconds }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Publishing {
  readonly batch: number
  readonly connections: number
  readonly depth: number
  readonly requests: number
}

async function publishMany({ batch, connections, depth, requests }: Publishing): Promise<Figures> {
  const open = await Promise.all(
    Array.from({ length: connections }, () => HttpConnection.open(port)),
  )
  const topic = await createTopic(open[0])
  const one = { value: VALUE }
  const body = batch === 1 ? one : { messages: Array.from({ length: batch }, () => one) }
  const message = first(open).prepare('POST', `/topics/${topic}/messages`, body)
  const started = await cpuSeconds(broker.pid)
  const seconds = await pressed(open, { count: requests, depth }, (connection) =>
    connection.send(message),
  )
  const cpu = (await cpuSeconds(broker.pid)) - started
  const { body: described } = await first(open).request('GET', `/topics/${topic}`)
  const { total_messages: total } = JSON.parse(described) as { total_messages: number }
  if (total !== requests * batch) throw new Error(`${total} of ${requests * batch} messages`)
  for (const connection of open) connection.close()
  return { messagesPerSecond: total / seconds, brokerMicrosPerMessage: (cpu / total) * 1e6 }
}

/** One member works through a topic; in the end everything is committed. */
async function work({
  depth,
  settle,
}: {
  readonly depth: number
  readonly settle: Settle
}): Promise<Figures> {
  const connection = await HttpConnection.open(port)
  const topic = await createTopic(connection)
  const messages = Array.from({ length: 1_000 }, () => ({ value: VALUE }))
  for (let sent = 0; sent < MESSAGES; sent += 1_000)
    await connection.request('POST', `/topics/${topic}/messages`, { messages })
  const group = `${topic}-group`
  const { body } = await connection.request('POST', `/groups/${group}/join`, {
    member_id: 'm',
    topics: [topic],
    auto_offset_reset: 'earliest',
  })
  const { generation } = JSON.parse(body) as { generation: number }
  const member = { connection, topic, group, generation, depth }
  const started = await cpuSeconds(broker.pid)
  const startMs = performance.now()
  let done = 0
  while (done < MESSAGES) {
    const polled = await connection.request(
      'GET',
      `/groups/${group}/poll?member_id=m&max_messages=${POLLED}&timeout=5s`,
    )
    const got = (JSON.parse(polled.body) as { messages: readonly Polled[] }).messages
    await Promise.all(settle(member, got))
    done += got.length
  }
  const seconds = (performance.now() - startMs) / 1_000
  const cpu = (await cpuSeconds(broker.pid)) - started
  const { body: offsets } = await connection.request('GET', `/groups/${group}/offsets`)
  const { topics } = JSON.parse(offsets) as { topics: Record<string, Record<string, number>> }
  if (topics[topic]?.['0'] !== MESSAGES) throw new Error(`committed ${offsets} of ${MESSAGES}`)
  connection.close()
  return { messagesPerSecond: MESSAGES / seconds, brokerMicrosPerMessage: (cpu / MESSAGES) * 1e6 }
}

/** Starts a job when the one `depth` before it has ended. */
function inTurn(depth: number) {
  const running: Promise<unknown>[] = []
  return (job: () => Promise<unknown>): Promise<unknown> => {
    const before = running[running.length - depth] ?? Promise.resolve()
    const run = before.then(job)
    running.push(run)
    return run
  }
}

function commit({ connection, group, topic, generation }: Member, offset: number) {
  return connection.request('POST', `/groups/${group}/offsets`, {
    member_id: 'm',
    generation,
    offsets: { [topic]: { '0': offset } },
  })
}

async function createTopic(connection: HttpConnection | undefined): Promise<string> {
  const name = `http-${names++}`
  await first([connection]).request('POST', '/topics', { name, num_partitions: 1 })
  return name
}

function first(connections: readonly (HttpConnection | undefined)[]): HttpConnection {
  const [connection] = connections
  if (connection === undefined) throw new Error('there is a connection')
  return connection
}

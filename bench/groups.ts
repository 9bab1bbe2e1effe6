/**
 * What groups cost the broker: how long the n-th of 100 members takes until its group is stable, and the share of a core
 * that the heartbeats of 1,000 groups of five members take.
 *
 * Members of KIP-848 on 200 partitions (two for each member in the end), which do nothing but keep up their membership. In the
 * first part everybody beats again at once until nothing changes: real members wait for their interval between the rounds,
 * which are counted. In the second 5,000 members beat every second (the broker's default) over eight connections. What it does not show:
 * fetching, commits.
 */

import { KafkaClient } from '../src/sources/kafka/index.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic } from './brokers.ts'
import { contest, cpuSeconds, publish, residentMiB, type Contender } from './contest.ts'
import { BenchMember } from './load/group-member.ts'

const MEMBERS = 100
const PARTITIONS = 200
const SHOWN = [1, 2, 10, 50, 100]
const GROUPS = Number(process.env['SHOAL_BENCH_GROUPS'] ?? 1_000)
const MEMBERS_A_GROUP = 5
const HEARTBEAT_MS = 1_000
const CONNECTIONS = 8
const WATCHED_MS = Number(process.env['SHOAL_BENCH_WATCHED_MS'] ?? 20_000)
const TOPIC = 'groups'

await using broker = await ShoalProcess.start({
  settings: { 'group.consumer.max.size': String(MEMBERS) },
})
await createTopic(broker.bootstrap, TOPIC, PARTITIONS)

const joining = await contest([
  {
    name: 'joining',
    async turn(round) {
      await using client = await KafkaClient.open({ brokers: broker.bootstrap })
      return await joinOneByOne(client, `joining-${round}`)
    },
  } satisfies Contender,
])
const joined = joining.get('joining') ?? {}
await publish('joining', {
  question: `milliseconds until a group of ${PARTITIONS} partitions is stable again when the n-th member joins, everybody beating at once`,
  rows: SHOWN.map((n) => ({
    n,
    stableMs: joined[`ms${n}`] ?? Number.NaN,
    rounds: joined[`rounds${n}`] ?? Number.NaN,
  })),
})

const beating = await contest([{ name: 'heartbeats', turn: beatMany } satisfies Contender])
await publish('heartbeats', {
  question: `${GROUPS} groups of ${MEMBERS_A_GROUP} members beating every ${HEARTBEAT_MS} ms: CPU of the broker as a share of one core, resident MiB`,
  rows: [...beating].map(([what, row]) => ({ what, ...row })),
})

async function joinOneByOne(client: KafkaClient, group: string): Promise<Record<string, number>> {
  const figures: Record<string, number> = {}
  const members: BenchMember[] = []
  for (let n = 1; n <= MEMBERS; n++) {
    const startMs = performance.now()
    members.push(new BenchMember(client, group, TOPIC, `${group}-${n}`))
    let rounds = 0
    for (let isStable = false; !isStable; rounds++) {
      const changes = await Promise.all(members.map((member) => member.beat()))
      isStable = !changes.includes(true)
    }
    figures[`ms${n}`] = performance.now() - startMs
    figures[`rounds${n}`] = rounds
  }
  const shares = members.map(({ partitionCount }) => partitionCount)
  if (shares.some((share) => share !== PARTITIONS / MEMBERS))
    throw new Error(`the shares are ${shares.join()}`)
  return Object.fromEntries(
    Object.entries(figures).filter(([name]) => SHOWN.includes(Number(name.replace(/\D+/, '')))),
  )
}

async function beatMany(round: number): Promise<Record<string, number>> {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => KafkaClient.open({ brokers: broker.bootstrap })),
  )
  const members = Array.from({ length: GROUPS * MEMBERS_A_GROUP }, (_, index) => {
    const group = `beating-${round}-${Math.floor(index / MEMBERS_A_GROUP)}`
    const client = clients[index % CONNECTIONS]
    if (client === undefined) throw new Error('there are as many clients as connections')
    return new BenchMember(client, group, TOPIC, `member-${index}`)
  })
  for (let isStable = false; !isStable;)
    isStable = !(await Promise.all(members.map((member) => member.beat()))).includes(true)

  const startedMs = performance.now()
  const startedSeconds = await cpuSeconds(broker.pid)
  let beats = 0
  let changes = 0
  while (performance.now() - startedMs < WATCHED_MS) {
    const due = Math.floor(((performance.now() - startedMs) / HEARTBEAT_MS) * members.length)
    const some = Array.from(
      { length: due - beats },
      (_, index) => members[(beats + index) % members.length],
    )
    beats = due
    const changed = await Promise.all(some.map(async (member) => (await member?.beat()) === true))
    changes += changed.filter(Boolean).length
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const seconds = (performance.now() - startedMs) / 1_000
  const cpuShare = ((await cpuSeconds(broker.pid)) - startedSeconds) / seconds
  if (changes > 0) throw new Error(`${changes} assignments changed where nothing happened`)
  const figures = {
    cpuPercent: cpuShare * 100,
    beatsPerSecond: beats / seconds,
    residentMiB: await residentMiB(broker.pid),
  }
  await Promise.all(clients.map((client) => client.close()))
  return figures
}

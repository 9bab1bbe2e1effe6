/**
 * What a second member's joining costs the partitions that stay with the first: their longest time without a record, in
 * milliseconds, from before it joins until both are at work.
 *
 * One record to each of 8 partitions every 5 ms; handlers return at once. `alone` is the longest gap of the same member in
 * the time before, with nobody joining: what the machine and the load are good for. Group and members are new in each turn.
 * What it does not show: handlers that run when the partition has to move, which Shoal waits for.
 */

import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import type { KafkaSourceOptions } from 'shoal/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { KafkaClient, KafkaProducer } from '../src/sources/kafka/index.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { elapse, eventually } from '../test/seeds/waiting.ts'
import { createTopic } from './brokers.ts'
import { contest, publish, type Contender } from './contest.ts'

const PARTITIONS = 8
const EVERY_MS = 5
const TOPIC = 'join'
/** So many records of each partition make a phase. */
const PHASE = 200

interface Handled {
  readonly member: string
  readonly atMs: number
}

/** Starts a member of a group, which tells of each record; answers how to end it. */
type StartMember = (
  group: string,
  handled: (partition: number) => void,
) => Promise<() => Promise<unknown>>

await using broker = await ShoalProcess.start()
const { bootstrap } = broker
await createTopic(bootstrap, TOPIC, PARTITIONS)
await using client = await KafkaClient.open({ brokers: bootstrap })
const stopLoad = startLoad(new KafkaProducer(client, { lingerMs: 0 }))

const figures = await contest([
  contender('shoal, KIP-848', ofShoal({ groupProtocol: 'consumer' })),
  contender('shoal, cooperative', ofShoal({ groupProtocol: 'classic' })),
  contender('kafkajs eachMessage', ofKafkajs),
])
await stopLoad()
await publish('join', {
  question: `longest gap of a partition that stays when a second member joins, ms; a record every ${EVERY_MS} ms`,
  rows: [...figures].map(([name, row]) => ({ consumer: name, ...row })),
})

function contender(name: string, startMember: StartMember): Contender {
  return {
    name,
    async turn(round) {
      const group = `${name}-${round}`
      const seen: Handled[][] = range(PARTITIONS).map(() => [])
      const start = (member: string) =>
        startMember(group, (partition) =>
          seen[partition]?.push({ member, atMs: performance.now() }),
        )
      const ends = [await start('first')]
      await untilMore(seen, PHASE)
      const aloneMs = performance.now()
      await untilMore(seen, PHASE)
      const joinMs = performance.now()
      ends.push(await start('second'))
      await eventually(
        async () => seen.filter((list) => list.at(-1)?.member === 'second').length,
        (moved) => moved === PARTITIONS / 2,
      )
      await untilMore(seen, PHASE)
      const endMs = performance.now()
      for (const end of ends) await end()
      const stayed = seen.filter((list) => list.every(({ member }) => member === 'first'))
      if (stayed.length !== PARTITIONS / 2) throw new Error(`${name}: ${stayed.length} stayed`)
      return { gapMs: gap(stayed, joinMs, endMs), aloneMs: gap(stayed, aloneMs, joinMs) }
    },
  }
}

function ofShoal(protocol: Partial<KafkaSourceOptions>): StartMember {
  return async (group, handled) => {
    const source = kafka({
      brokers: bootstrap,
      topics: [TOPIC],
      offsetReset: 'latest',
      ...protocol,
    })
    const running = await consumer({
      group,
      source,
      handle: (_, { partition }) => handled(partition),
    }).start()
    return () => running.drain('10s')
  }
}

async function ofKafkajs(
  group: string,
  handled: (partition: number) => void,
): Promise<() => Promise<void>> {
  const cluster = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const member = cluster.consumer({ groupId: group })
  await member.connect()
  await member.subscribe({ topic: TOPIC })
  await member.run({ eachMessage: async ({ partition }) => handled(partition) })
  return () => member.disconnect()
}

/** Every partition got so many more. */
async function untilMore(seen: readonly Handled[][], count: number): Promise<void> {
  const before = seen.map(({ length }) => length)
  const fewest = () => Math.min(...seen.map(({ length }, index) => length - before[index]!))
  await eventually(
    async () => fewest(),
    (more) => more >= count,
  )
}

/** The longest time without a record in any of these partitions, the ends of the window included. */
function gap(partitions: readonly Handled[][], fromMs: number, untilMs: number): number {
  const gaps = partitions.map((list) => {
    const times = list.map(({ atMs }) => atMs).filter((atMs) => atMs > fromMs && atMs < untilMs)
    const ends = [...times, untilMs]
    return Math.max(...[fromMs, ...times].map((atMs, index) => ends[index]! - atMs))
  })
  return Math.max(...gaps)
}

/** One record to every partition, again and again, until it is stopped. */
function startLoad(producer: KafkaProducer): () => Promise<void> {
  const value = new TextEncoder().encode('x')
  const state = { isOver: false }
  const producing = (async () => {
    while (!state.isOver) {
      await Promise.all(
        range(PARTITIONS).map((partition) =>
          producer.send({ topic: TOPIC, partition, key: null, value, headers: [] }),
        ),
      )
      await elapse(EVERY_MS)
    }
    await producer.close()
  })()
  return async () => {
    state.isOver = true
    await producing
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

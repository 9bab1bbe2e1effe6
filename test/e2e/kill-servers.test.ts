/**
 * Apache Kafka and Shoal's broker are killed with SIGKILL while members of the runtime work and a producer sends: nothing
 * that was acknowledged is lost, every key stays in order. The same for Redis and RabbitMQ is in their own files.
 *
 * A start of Apache Kafka takes seconds: one kill on every push, more by SHOAL_KAFKA_KILLS.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { open, type Door } from 'shoal/open'
import { waitUntil } from '../conformance/recording-member.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const KEYS = 40
const RECORDS_PER_KILL = 400
const SHOAL_KILLS = 5
/** Of the topic, which the first record makes. */
const partitions = { 'num.partitions': '4' }
const KAFKA_KILLS = Number(process.env['SHOAL_KAFKA_KILLS'] ?? 1)

describe('a broker that is killed under load', () => {
  test(`Shoal: nothing lost, every key in order (SIGKILLs: ${SHOAL_KILLS})`, async (context) => {
    await using broker = await ShoalProcess.start({ settings: partitions })
    const restart = async () => {
      await broker.kill()
      await broker.start()
    }
    context.diagnostic(
      `shoal: ${await killUnderLoad(`shoal://${broker.bootstrap}`, SHOAL_KILLS, restart)}`,
    )
  })

  test(
    `Apache Kafka: nothing lost, every key in order (SIGKILLs: ${KAFKA_KILLS})`,
    needs(apacheKafkaMissing()),
    async (context) => {
      // A broker that comes back is not let in while its former self counts as alive.
      await using node = await ApacheKafka.start({
        properties: { ...partitions, 'broker.session.timeout.ms': '3000' },
      })
      const restart = async () => {
        await node.kill()
        await node.restart()
      }
      const told = await killUnderLoad(`kafka://${node.bootstrap}`, KAFKA_KILLS, restart)
      context.diagnostic(`apache kafka: ${told}`)
    },
  )
})

async function killUnderLoad(url: string, kills: number, restart: () => Promise<void>) {
  await using door = await open(url, { topic: 'load', group: 'g', offsetReset: 'earliest' })
  const load = new Load(door)
  await load.send(1)
  const members = [await load.member(), await load.member()]
  for (let kill = 0; kill < kills; kill++) {
    const sending = load.send(RECORDS_PER_KILL)
    // In the middle of it: records are on their way in both directions.
    await load.untilHandled(load.sent - RECORDS_PER_KILL / 2)
    await restart()
    await sending
  }
  await load.untilHandled(load.sent)
  const reports = await Promise.all(members.map((member) => member.drain()))
  const handled = reports.reduce((sum, report) => sum + report.handled, 0)
  assert.deepEqual(load.disorder, [])
  return `${kills} kills, ${load.sent} records, 0 lost, 0 out of order, repeated ${handled - load.sent}`
}

/** Numbered records of some keys: the next of a key leaves when the broker has the one before it. */
class Load {
  readonly disorder: string[] = []
  readonly #door: Door
  readonly #handled = new Set<number>()
  readonly #latest = new Map<string, number>()
  readonly #wakes = new Set<() => void>()
  sent = 0

  constructor(door: Door) {
    this.#door = door
  }

  async send(count: number): Promise<void> {
    const first = this.sent
    this.sent += count
    await Promise.all(
      Array.from({ length: KEYS }, async (_, key) => {
        for (let number = first; number < first + count; number++)
          if (number % KEYS === key) await this.#sendOne(number)
      }),
    )
  }

  /** Again until the broker says that it has it: what became of the one before is not known. */
  async #sendOne(number: number): Promise<void> {
    for (;;)
      try {
        return await this.#door.send({ key: `k${number % KEYS}`, value: String(number) })
      } catch {
        await new Promise((resolve) => setImmediate(resolve))
      }
  }

  member() {
    return this.#door
      .consumer({
        decode: 'text',
        handle: (value, { key }) => this.#handle(Number(value), key ?? ''),
      })
      .start()
  }

  async untilHandled(count: number): Promise<void> {
    await waitUntil(
      `${count} records`,
      () => this.#handled.size >= count,
      (wake) => this.#wakes.add(wake),
    )
  }

  /** A record may come again; what may not happen is to come before an earlier one of its key ever came. */
  #handle(number: number, key: string): void {
    this.#handled.add(number)
    const latest = this.#latest.get(key)
    const isNext = latest === undefined ? number < KEYS : number <= latest + KEYS
    if (!isNext) this.disorder.push(`${key}: ${number} after ${latest}`)
    this.#latest.set(key, Math.max(latest ?? 0, number))
    const wakes = [...this.#wakes]
    this.#wakes.clear()
    for (const wake of wakes) wake()
  }
}

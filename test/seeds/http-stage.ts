/**
 * Where the rows of seed 001 that show over HTTP play: a broker, and its API asked as any program would.
 */

import assert from 'node:assert/strict'
import { ShoalProcess } from '../real/shoal.ts'
import { eventually } from './waiting.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- answers have every shape
export type Json = any

export interface Answer {
  readonly status: number
  readonly body: Json
}

export type PartitionLists = Readonly<Record<string, readonly number[]>>

export class HttpStage implements AsyncDisposable {
  readonly broker: ShoalProcess

  private constructor(broker: ShoalProcess) {
    this.broker = broker
  }

  static async open(): Promise<HttpStage> {
    return new HttpStage(await ShoalProcess.start())
  }

  /** As `brokers` of a client has it. */
  get address(): string {
    return new URL(this.broker.url).host
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.broker.url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    return { status: response.status, body: await response.json() }
  }

  /** The body of an answer that has to be a success. */
  async get(path: string): Promise<Json> {
    return succeeded(await this.ask('GET', path), path)
  }

  async post(path: string, body: unknown): Promise<Json> {
    return succeeded(await this.ask('POST', path, body), path)
  }

  async topic(name: string, partitions: number, ...values: readonly string[]): Promise<void> {
    await this.post('/topics', { name, num_partitions: partitions })
    if (values.length > 0) await this.publish(name, values)
  }

  async publish(topic: string, values: readonly string[], partition = 0): Promise<void> {
    const messages = values.map((value) => ({ value, partition }))
    await this.post(`/topics/${topic}/messages`, { messages })
  }

  async join(group: string, topic: string, member: string, more: object = {}): Promise<Json> {
    return this.post(`/groups/${group}/join`, { member_id: member, topics: [topic], ...more })
  }

  async poll(group: string, member: string, query = 'timeout=10s'): Promise<Json> {
    return this.get(`/groups/${group}/poll?member_id=${member}&${query}`)
  }

  async committed(group: string, topic: string): Promise<number | undefined> {
    return (await this.get(`/groups/${group}/offsets`)).topics[topic]?.['0']
  }

  /** Members come again until each has its share of so many partitions; what each has. */
  async shared(
    group: string,
    members: readonly string[],
    partitions: number,
  ): Promise<readonly (readonly number[])[]> {
    return eventually(
      async () =>
        Promise.all(
          members.map(async (member_id) => {
            const beat = await this.post(`/groups/${group}/heartbeat`, { member_id })
            return Object.values(beat.assigned_partitions as PartitionLists).flat()
          }),
        ),
      (shares) => {
        const sizes = shares.map(({ length }) => length)
        const isEven = Math.max(...sizes) - Math.min(...sizes) <= 1
        return isEven && new Set(shares.flat()).size === partitions
      },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker[Symbol.asyncDispose]()
  }
}

function succeeded({ status, body }: Answer, path: string): Json {
  assert.ok(status < 300, `${path}: ${status} ${JSON.stringify(body)}`)
  return body
}

/**
 * Not a test: polling consumers over the memory broker, in virtual time.
 */

import { memoryLogger, VirtualClock } from '../core/index.ts'
import { MemoryBroker } from '../consumer/index.ts'
import type { ConsumerConfig } from './config.ts'
import { newConsumer } from './new-consumer.ts'
import type { Message } from './message.ts'
import type { PollingConsumer, PollOptions } from './polling-consumer.ts'

export const TOPIC = 'orders'
export const GROUP = 'billing'

export class World implements AsyncDisposable {
  readonly #consumers: PollingConsumer[] = []
  readonly clock = new VirtualClock()
  readonly broker = new MemoryBroker({ clock: this.clock, timers: this.clock })
  readonly logger = memoryLogger()

  constructor(partitionCount = 1) {
    this.broker.createTopic(TOPIC, partitionCount)
    this.broker.createTopic(`${TOPIC}-dlq`, 1)
  }

  /** Appends values `first`, `first + 1`, … to a partition. */
  produce(count: number, partition = 0, first = 0): void {
    const utf8 = new TextEncoder()
    for (let index = first; index < first + count; index++)
      this.broker.append({ topic: TOPIC, partition, key: null, value: utf8.encode(`${index}`) })
  }

  async join(config: Partial<ConsumerConfig> = {}): Promise<PollingConsumer> {
    const joining = newConsumer(
      {
        brokers: 'kafka://memory:1',
        groupId: GROUP,
        topics: [TOPIC],
        logger: this.logger,
        ...config,
      },
      { clock: this.clock, timers: this.clock, source: this.broker.source({ topics: [TOPIC] }) },
    )
    const consumer = await this.settled(joining)
    this.#consumers.push(consumer)
    return consumer
  }

  /** Polls, with time going on until there is an answer. */
  async poll(consumer: PollingConsumer, options: PollOptions = {}): Promise<readonly Message[]> {
    return this.settled(consumer.poll({ timeout: '1s', ...options }))
  }

  /** Lets time go on until this is settled. */
  async settled<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    let isSettled = false
    const settle = () => (isSettled = true)
    promise.then(settle, settle)
    for (let passedMs = 0; passedMs < limitMs; passedMs += 10) {
      await this.clock.advance(passedMs === 0 ? 0 : 10)
      if (isSettled) return promise
    }
    throw new Error(`not settled within ${limitMs} ms of virtual time`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settled(Promise.all(this.#consumers.map((consumer) => consumer.close())))
  }

  committed(partition = 0): number | null {
    return this.broker.group(GROUP).committed(TOPIC, partition)?.offset ?? null
  }
}

export function values(messages: readonly Message[]): readonly string[] {
  return messages.map((message) => message.text())
}

/** A broker with a topic and a group of HTTP-like members, for tests of deliveries. Named as a test so that it is not shipped. */

import assert from 'node:assert/strict'
import type { FileStore } from '../../log/index.ts'
import {
  decodeRecords,
  encodeRecordBatch,
  RecordBatch,
  type RecordInput,
} from '../../protocol/index.ts'
import { BrokerFixture, type FixtureOptions, leaveRequest } from '../broker-fixture.test.ts'
import type { BrokerContext } from '../context.ts'
import type { Topic } from '../topics/topic-table.ts'
import type {
  DeliveredRecord,
  DeliveryPoll,
  SettledRecord,
  Settlement,
  SettlementResult,
} from './delivery.ts'

export class DeliveryFixture {
  readonly broker: BrokerFixture
  #memberEpoch = 0

  private constructor(broker: BrokerFixture) {
    this.broker = broker
  }

  /** Topic `orders` with one partition, or what the configs say. */
  static async open(
    configs: Readonly<Record<string, string>> = {},
    options: FixtureOptions = {},
  ): Promise<DeliveryFixture> {
    const fixture = new DeliveryFixture(await BrokerFixture.open(options))
    fixture.createTopic('orders', configs)
    return fixture
  }

  /** The broker over files that were there before. */
  static async reopen(files: FileStore): Promise<DeliveryFixture> {
    return new DeliveryFixture(await BrokerFixture.open({ files }))
  }

  get context(): BrokerContext {
    return this.broker.parts.context
  }

  createTopic(name: string, configs: Readonly<Record<string, string>> = {}): void {
    const { errorCode } = this.context.topics.create(
      {
        name,
        partitionCount: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
      false,
    )
    assert.equal(errorCode, 'NONE')
  }

  topic(name = 'orders'): Topic {
    const topic = this.context.topics.table.byName(name)
    assert.ok(topic !== undefined, `there is no topic ${name}`)
    return topic
  }

  /** One batch of these values; a value `k:v` has the key `k`. */
  async publish(...values: readonly string[]): Promise<void> {
    await this.append(
      encodeRecordBatch(
        values.map((text): RecordInput => ({ timestampMs: 5, ...keyAndValue(text) })),
      ),
    )
  }

  async append(batch: Uint8Array): Promise<void> {
    const log = await this.context.topics.log(this.topic(), 0)
    const result = log!.append(batch)
    assert.equal(result.kind, 'appended')
    if (result.kind === 'appended') await result.flushed
  }

  /** A KIP-848 member of group `g`, as HTTP members are. */
  async join(memberId: string): Promise<void> {
    const response = await this.context.groups.request<'consumer-heartbeat'>({
      kind: 'consumer-heartbeat',
      apiVersion: 1,
      clientId: memberId,
      clientHost: '/127.0.0.1',
      groupId: 'g',
      memberId,
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['orders'],
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: [],
    })
    assert.equal(response.errorCode, 'NONE')
    this.#memberEpoch = response.memberEpoch
  }

  async leave(memberId: string): Promise<void> {
    const response = await this.context.groups.request<'consumer-heartbeat'>(
      leaveRequest('g', memberId),
    )
    assert.equal(response.errorCode, 'NONE')
  }

  async poll(
    memberId = 'a',
    more: Partial<DeliveryPoll> = {},
  ): Promise<readonly DeliveredRecord[]> {
    const { records, problems } = await this.context.deliveries.poll({
      groupId: 'g',
      memberId,
      partitions: [{ topicId: this.topic().topicId, partition: 0 }],
      start: 'earliest',
      maxRecords: 100,
      maxBytes: 1_048_576,
      maxWaitMs: 0,
      signal: new AbortController().signal,
      ...more,
    })
    assert.deepEqual(problems, [])
    return records
  }

  settle(
    records: readonly DeliveredRecord[],
    settlement: Settlement,
    memberId: string | null = null,
  ): Promise<readonly SettlementResult[]> {
    const handles = records.map(({ receiptHandle }) => receiptHandle)
    return this.context.deliveries.settle(handles, settlement, memberId)
  }

  committed(): number | null {
    return this.context.groups.committedOffset('g', 'orders', 0)
  }

  async commit(offset: number): Promise<void> {
    const { topics } = await this.context.groups.request<'offset-commit'>({
      kind: 'offset-commit',
      apiVersion: 9,
      groupId: 'g',
      generationIdOrMemberEpoch: this.#memberEpoch,
      memberId: 'a',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: 'orders',
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: offset,
              committedLeaderEpoch: -1,
              committedMetadata: null,
            },
          ],
        },
      ],
    })
    assert.equal(topics[0]?.partitions[0]?.errorCode, 'NONE')
  }

  /** What the dead-letter topic holds, once it holds so many. */
  async letters(count: number): Promise<readonly Letter[]> {
    await this.until(() => this.context.topics.table.byName('orders-dlq') !== undefined)
    const log = await this.context.topics.log(this.topic('orders-dlq'), 0)
    assert.ok(log !== null)
    await this.until(() => log.highWatermark >= count)
    const read = await log.read({ offset: 0, maxBytes: 1_048_576, atLeastOneBatch: true })
    assert.ok(read.kind === 'records')
    return read.chunks.flatMap((chunk) => lettersIn(chunk))
  }

  /** Waits for what happens by itself, in turns of the event loop and not in time. */
  async until(holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds(); turns++) {
      assert.ok(turns < 10_000, 'it never came')
      await this.turn()
    }
  }

  /** One turn of the real event loop: what waits for a flush gets it. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.context.timers.soon(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker[Symbol.asyncDispose]()
  }
}

export interface Letter {
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

export function valuesOf(records: readonly DeliveredRecord[]): readonly string[] {
  return records.map(({ value, deliveryCount }) => `${text(value)} ${deliveryCount}`)
}

/** The one result, settled. */
export function settled(results: readonly SettlementResult[]): SettledRecord {
  const [result] = results
  assert.equal(results.length, 1)
  assert.ok(result?.kind === 'settled', JSON.stringify(result))
  return result
}

export function refusalsOf(results: readonly SettlementResult[]): readonly string[] {
  return results.map((result) => (result.kind === 'refused' ? result.refusal : result.outcome))
}

function lettersIn(chunk: Uint8Array): Letter[] {
  const letters: Letter[] = []
  for (let position = 0; position < chunk.length;) {
    const batch = new RecordBatch(chunk, position)
    for (const { key, value, headers } of decodeRecords(batch))
      letters.push({
        key: text(key),
        value: text(value),
        headers: Object.fromEntries(
          headers.map((header) => [header.key, text(header.value) ?? '']),
        ),
      })
    position = batch.end
  }
  return letters
}

function keyAndValue(given: string) {
  const [key, value] = given.includes(':') ? given.split(':') : [null, given]
  return {
    key: key === null || key === undefined ? null : Buffer.from(key),
    value: Buffer.from(value ?? ''),
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

/** A share group's member against a broker without sockets. Named as a test so that it is not shipped. */

import assert from 'node:assert/strict'
import {
  batchesIn,
  createTopics,
  decodeRecords,
  encodeRecordBatch,
  incrementalAlterConfigs,
  produce,
  shareAcknowledge,
  shareFetch,
  shareGroupHeartbeat,
  type ShareFetchResponse,
} from '../../../protocol/index.ts'
import {
  BrokerFixture,
  type FixtureConnection,
  fixtureConnection,
  type FixtureOptions,
} from '../../broker-fixture.test.ts'

export const [GAP, ACCEPT, RELEASE, REJECT, RENEW] = [0, 1, 2, 3, 4] as const

export interface Acknowledgement {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly acknowledgeTypes: readonly number[]
}

export interface FetchOver {
  readonly epoch?: number
  readonly version?: number
  readonly acknowledgements?: readonly Acknowledgement[]
  readonly maxRecords?: number
  readonly acquireMode?: number
  readonly isRenewAck?: boolean
  readonly partition?: number
}

let connections = 100

/** One member with one share session. */
export class ShareMember {
  readonly connection: FixtureConnection = fixtureConnection(++connections)
  readonly #broker: BrokerFixture
  readonly #memberId: string
  readonly #topicId: string
  #epoch = 0

  constructor(broker: BrokerFixture, memberId: string) {
    this.#broker = broker
    this.#memberId = memberId
    this.#topicId = broker.parts.context.topics.table.byName('orders')?.topicId ?? ''
  }

  heartbeat(memberEpoch = 0) {
    return this.#broker.ask(shareGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.#memberId,
      memberEpoch,
      rackId: null,
      subscribedTopicNames: memberEpoch === 0 ? ['orders'] : null,
    })
  }

  async fetch(over: FetchOver = {}): Promise<ShareFetchResponse> {
    const { version = 2, acknowledgements = [], isRenewAck = false } = over
    const response = await this.#broker.ask(
      shareFetch,
      version,
      {
        groupId: 'g',
        memberId: this.#memberId,
        shareSessionEpoch: over.epoch ?? this.#epoch,
        maxWaitMs: 0,
        minBytes: isRenewAck ? 0 : 1,
        maxBytes: isRenewAck ? 0 : 1_048_576,
        maxRecords: isRenewAck ? 0 : (over.maxRecords ?? 500),
        batchSize: 500,
        shareAcquireMode: over.acquireMode ?? 0,
        isRenewAck,
        topics: [
          {
            topicId: this.#topicId,
            partitions: [
              { partitionIndex: over.partition ?? 0, acknowledgementBatches: acknowledgements },
            ],
          },
        ],
        forgottenTopicsData: [],
      },
      this.connection,
    )
    if (response.errorCode === 'NONE') this.#epoch++
    return response
  }

  async acknowledge(
    acknowledgements: readonly Acknowledgement[],
    { epoch, version = 2, isRenewAck = false }: FetchOver = {},
  ) {
    const response = await this.#broker.ask(
      shareAcknowledge,
      version,
      {
        groupId: 'g',
        memberId: this.#memberId,
        shareSessionEpoch: epoch ?? this.#epoch,
        isRenewAck,
        topics: [
          {
            topicId: this.#topicId,
            partitions: [{ partitionIndex: 0, acknowledgementBatches: acknowledgements }],
          },
        ],
      },
      this.connection,
    )
    if (response.errorCode === 'NONE') this.#epoch++
    const partition = response.responses[0]?.partitions[0]
    return [response.errorCode, partition?.errorCode]
  }

  /** Ends its session with its last word. */
  finish(acknowledgements: readonly Acknowledgement[] = []) {
    return this.acknowledge(acknowledgements, { epoch: -1 })
  }
}

/** Topic `orders` with one partition; the group begins at its start. */
export async function withShareGroup(options: FixtureOptions = {}): Promise<BrokerFixture> {
  const broker = await BrokerFixture.open(options)
  await broker.ask(createTopics, 7, {
    topics: [
      { name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 1_000,
    validateOnly: false,
  })
  await configure(broker, 'share.auto.offset.reset', 'earliest')
  return broker
}

export async function configure(broker: BrokerFixture, name: string, value: string) {
  const { responses } = await broker.ask(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 32,
        resourceName: 'g',
        configs: [{ name, configOperation: 0, value }],
      },
    ],
    validateOnly: false,
  })
  return responses[0]?.errorCode
}

/** One batch of so many records. */
export async function publish(broker: BrokerFixture, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: 1,
    value: Buffer.from(`v${index}`),
  }))
  const { responses } = await broker.ask(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [
      {
        name: 'orders',
        partitionData: [{ index: 0, records: [encodeRecordBatch(records)] }],
      },
    ],
  })
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, 'NONE')
}

/** What a fetch acquired: `first-last count`. */
export function acquiredIn(response: ShareFetchResponse): readonly string[] {
  assert.equal(response.errorCode, 'NONE', response.errorMessage ?? '')
  return response.responses.flatMap(({ partitions }) =>
    partitions.flatMap(({ acquiredRecords }) =>
      acquiredRecords.map(
        ({ firstOffset, lastOffset, deliveryCount }) =>
          `${firstOffset}-${lastOffset} ${deliveryCount}`,
      ),
    ),
  )
}

/** Offsets of all records that travelled, acquired or not. */
export function offsetsIn(response: ShareFetchResponse): readonly number[] {
  return response.responses.flatMap(({ partitions }) =>
    partitions.flatMap(({ records }) =>
      [...batchesIn(records ?? new Uint8Array(0))].flatMap((batch) =>
        decodeRecords(batch).map(({ offset }) => offset),
      ),
    ),
  )
}

export function acknowledgeErrorIn(response: ShareFetchResponse): string | undefined {
  return response.responses[0]?.partitions[0]?.acknowledgeErrorCode
}

/** One type for a range. */
export function ranged(firstOffset: number, lastOffset: number, ...acknowledgeTypes: number[]) {
  return { firstOffset, lastOffset, acknowledgeTypes }
}

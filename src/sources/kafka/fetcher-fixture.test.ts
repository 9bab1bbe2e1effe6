/**
 * A fetcher over a scripted cluster of two brokers, in virtual time, with everything it told its owner.
 */

import { VirtualClock, seededRandom, type ShoalError } from '../../core/index.ts'
import type { OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { encodeRecordBatch } from '../../protocol/index.ts'
import type { BatchInput, KafkaErrorCode, RequestOf } from '../../protocol/index.ts'
import type { fetch } from '../../protocol/index.ts'
import { clusterScript } from './cluster-script.test.ts'
import { Fetcher } from './fetcher.ts'
import { KafkaClient } from './kafka-client.ts'
import { sourceSettings } from './options.ts'
import type { FetchOptions } from './options.ts'
import { NO_ERROR } from './scripted-transport.test.ts'

export const owned = (partition: number, epoch = 1): OwnedPartition => ({
  topic: 't',
  partition,
  epoch,
})

export async function fixture({
  leaders = [1, 2],
  clientRack,
  ...limits
}: { leaders?: number[]; clientRack?: string } & FetchOptions = {}) {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1', 'b2'], topics: { t: leaders } })
  const client = await KafkaClient.open(
    { brokers: 'b1:9092' },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  await client.refresh(['t'])
  const batches: SourceBatch[] = []
  const ends: [number, number][] = []
  const outOfRange: [number, number, number][] = []
  const failures: ShoalError[] = []
  const remade: string[] = []
  const events = {
    records: (batch: SourceBatch): unknown => batches.push(batch),
    endOfPartition: ({ partition }: OwnedPartition, offset: number) =>
      void ends.push([partition, offset]),
    outOfRange: async ({ partition }: OwnedPartition, offset: number, leaderEpoch: number) => {
      outOfRange.push([partition, offset, leaderEpoch])
      return Math.max(offset, script.partition('t', partition).logStartOffset)
    },
    remade: (topic: string) => void remade.push(topic),
    failed: (error: Error) => void failures.push(error as ShoalError),
  }
  const settings = sourceSettings({
    brokers: 'b1:9092',
    topics: ['t'],
    fetch: limits,
    ...(clientRack === undefined ? {} : { clientRack }),
  })
  const fetcher = new Fetcher(client, settings, {
    ...events,
    records: (batch) => void events.records(batch),
  })
  return {
    clock,
    script,
    fetcher,
    batches,
    ends,
    outOfRange,
    failures,
    remade,
    client,
    events,
    settle: () => clock.advance(0),
    append(partition: number, ...values: string[]) {
      const log = script.partition('t', partition)
      log.batches.push(batchAt(log.logEndOffset, values))
      log.logEndOffset += values.length
      script.wake()
    },
    seen: (partition: number) =>
      batches
        .filter((batch) => batch.partition === partition)
        .flatMap(({ records }) => [...records])
        .map(({ offset, value }) => `${offset} ${Buffer.from(value ?? []).toString()}`),
  }
}

export function batchAt(baseOffset: number, values: readonly string[], options: BatchInput = {}) {
  const records = values.map((value) => ({ timestampMs: 0, value: Buffer.from(value) }))
  const bytes = encodeRecordBatch(records, { ...options, baseOffset })
  return { baseOffset, nextOffset: baseOffset + values.length, bytes }
}

export function refused({ topics }: RequestOf<typeof fetch>, errorCode: KafkaErrorCode) {
  return {
    throttleTimeMs: 0,
    errorCode: NO_ERROR,
    sessionId: 0,
    nodeEndpoints: [],
    responses: topics.map(({ topicId, partitions }) => ({
      topic: '',
      topicId,
      partitions: partitions.map(({ partition }) => ({
        partitionIndex: partition,
        errorCode,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        divergingEpoch: { epoch: -1, endOffset: -1 },
        currentLeader: { leaderId: -1, leaderEpoch: -1 },
        snapshotId: { endOffset: -1, epoch: -1 },
        abortedTransactions: null,
        preferredReadReplica: -1,
        records: null,
      })),
    })),
  }
}

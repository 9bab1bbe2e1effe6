/**
 * The least that reading with our own transport and codec takes: one Fetch under way for all partitions while the last
 * answer is decoded, and a function called for each record. It does what every consumer has to: checksums are verified,
 * control batches left out, records decoded whole, and the function gets the value and a context with the rest (key,
 * headers, offset, timestamp, partition). No group, no commits, no order but the partitions', nothing remembered, no
 * limits but those of the fetch. The runtime is measured against it.
 */

import { KafkaClient } from 'shoal/kafka'
import { ZERO_UUID, batchesIn, decodeRecords, fetch } from '../../src/protocol/index.ts'
import type { KafkaRecord } from '../../src/protocol/index.ts'
import { measured } from './keyed-check.ts'

/** What a handler can ask for beside the value. */
interface Context {
  readonly topic: string
  readonly partition: number
  readonly record: KafkaRecord
}

const MIB = 1024 * 1024
const NO_BYTES = new Uint8Array(0)

await measured(async ({ bootstrap, topic }, check) => {
  const handler: (value: Uint8Array, context: Context) => Promise<void> | void = check.handler
  const client = await KafkaClient.open({ brokers: bootstrap })
  await client.refresh([topic])
  const { topicId, partitions = [] } = client.cluster.topics.get(topic) ?? {}
  const positions = partitions.map(() => 0)
  const ask = () =>
    client.request(
      fetch,
      {
        clusterId: null,
        replicaId: -1,
        replicaState: { replicaId: -1, replicaEpoch: -1 },
        maxWaitMs: 500,
        minBytes: 1,
        maxBytes: 2 * MIB,
        isolationLevel: 1,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [{ topic, topicId: topicId ?? ZERO_UUID, partitions: positions.map(wanted) }],
        forgottenTopicsData: [],
        rackId: '',
      },
      { to: 'any' },
    )
  const over = new AbortController()
  const read = async () => {
    for (let asking = ask(); !over.signal.aborted;) {
      const { response } = await asking
      const answers = response.responses.flatMap(({ partitions }) => partitions)
      for (const { partitionIndex, records } of answers)
        for (const batch of batchesIn(records ?? NO_BYTES, { atCut: 'stop' }))
          positions[partitionIndex] = batch.lastOffset + 1
      asking = ask()
      asking.catch(() => {})
      for (const { partitionIndex: partition, records } of answers)
        for (const batch of batchesIn(records ?? NO_BYTES, { atCut: 'stop' })) {
          if (!batch.isCrcValid) throw new Error('a damaged batch')
          if (batch.isControl) continue
          for (const record of decodeRecords(batch)) {
            const handling = handler(record.value ?? NO_BYTES, { topic, partition, record })
            if (handling !== undefined) await handling
          }
        }
    }
  }
  void read().catch(() => {
    // Its connection is closed under it at the end; before, the missing records tell.
  })
  return async () => {
    over.abort()
    await client.close()
  }
})

function wanted(fetchOffset: number, partition: number) {
  return {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: MIB,
    replicaDirectoryId: ZERO_UUID,
  }
}

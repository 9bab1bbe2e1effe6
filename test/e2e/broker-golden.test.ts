/**
 * What real clients asked of Apache Kafka 4.3.1, asked of Shoal: the recorded requests of APIs that need no history, byte
 * for byte, over TCP. The answers must have the recorded version's shape, and the values that do not depend on the run.
 *
 * The topics that the recording knew are made first. What the recording could not foresee (ids, sizes, offsets, hosts) is
 * compared by its kind; error codes, names, flags, sources and types are compared by value. Left out are answers of a Kafka
 * that was not ready, and Kafka's own topics, which Shoal does not have.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { Broker } from 'shoal/broker'
import * as protocol from '../../src/protocol/index.ts'
import type { GoldenPair } from '../golden/corpus.ts'
import { goldenPairs } from '../golden/corpus.ts'

const LIMIT = { timeout: 180_000 }

/** The APIs, and which fields of their answers have to be equal to Kafka's. */
const compared: readonly { readonly api: protocol.Api; readonly equal: readonly string[] }[] = [
  { api: protocol.metadata, equal: ['isInternal', 'topicAuthorizedOperations', 'leaderEpoch'] },
  { api: protocol.findCoordinator, equal: ['errorCode', 'errorMessage', 'key'] },
  {
    api: protocol.describeConfigs,
    equal: [
      'name',
      'value',
      'readOnly',
      'configSource',
      'isSensitive',
      'source',
      'configType',
      'errorCode',
    ],
  },
  { api: protocol.describeCluster, equal: ['errorCode', 'clusterAuthorizedOperations'] },
  { api: protocol.listPartitionReassignments, equal: ['errorCode', 'errorMessage', 'topics'] },
]

describe('requests that Kafka was asked', LIMIT, () => {
  const served = new Map(compared.map((each) => [each.api.key, each]))
  for (const [index, pair] of goldenPairs().entries()) {
    const entry = served.get(pair.api)
    if (entry === undefined || !entry.api.serves(pair.version)) continue
    const { api, equal } = entry
    const recorded = withoutInternalTopics(decode(api, pair))
    if ((recorded as Fields)['errorCode'] === 'COORDINATOR_NOT_AVAILABLE') continue
    const title = `${api.name} ${pair.version} of ${pair.client} (line ${index + 1})`
    test(`${title} get an answer of the same shape`, async () => {
      await using broker = await Broker.open({ kafka: { port: 0 } })
      await prepare(broker, pair, recorded)
      const answer = await ask(broker, api, pair)
      sameShape(answer, recorded, equal, api.name)
    })
  }
})

/** Makes the topics that the recorded answer tells of, with the configs that were set on them. */
async function prepare(broker: Broker, pair: GoldenPair, recorded: object): Promise<void> {
  const found = new Map<string, { name: string; value: string }[]>()
  if (pair.api === protocol.metadata.key)
    for (const topic of arrayOf(recorded, 'topics'))
      if (topic['errorCode'] === 'NONE') found.set(String(topic['name']), [])
  if (pair.api === protocol.describeConfigs.key)
    for (const result of arrayOf(recorded, 'results'))
      if (result['resourceType'] === 2 && result['errorCode'] === 'NONE')
        found.set(
          String(result['resourceName']),
          arrayOf(result, 'configs')
            .filter((config) => config['configSource'] === 1)
            .map((config) => ({ name: String(config['name']), value: String(config['value']) })),
        )
  if (found.size === 0) return
  const defaults = { numPartitions: -1, replicationFactor: -1, assignments: [] }
  const topics = Array.from(found, ([name, configs]) => ({ name, ...defaults, configs }))
  const request = { topics, timeoutMs: 1_000, validateOnly: false }
  const header = { version: 7, correlationId: 1, clientId: 'test' }
  const frame = protocol.encodeRequestFrame(protocol.createTopics, header, request)
  await exchange(broker, Buffer.concat(frame))
}

async function ask(broker: Broker, api: protocol.Api, pair: GoldenPair): Promise<object> {
  const length = Buffer.alloc(4)
  length.writeInt32BE(pair.requestHeader.length + pair.request.length)
  const frame = await exchange(broker, Buffer.concat([length, pair.requestHeader, pair.request]))
  const { correlationId, response } = protocol.decodeResponseFrame(api, pair.version, frame)
  assert.equal(correlationId, pair.correlation)
  return response
}

/** One request and its answer, without the answer's length. */
async function exchange(broker: Broker, request: Uint8Array): Promise<Uint8Array> {
  const { host, port } = broker.kafkaAddress
  const socket = connect(port, host)
  await once(socket, 'connect')
  socket.write(request)
  let received = Buffer.alloc(0)
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer])
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE()) break
  }
  socket.destroy()
  assert.ok(received.length > 4, 'the broker closed the connection')
  return received.subarray(4)
}

function decode(api: protocol.Api, { version, responseHeader, response }: GoldenPair): object {
  const frame = Buffer.concat([responseHeader, response])
  return protocol.decodeResponseFrame(api, version, frame).response
}

function withoutInternalTopics(recorded: object): object {
  const isInternal = (topic: Fields) => topic['isInternal'] === true
  if (!arrayOf(recorded, 'topics').some(isInternal)) return recorded
  return { ...recorded, topics: arrayOf(recorded, 'topics').filter((each) => !isInternal(each)) }
}

type Fields = Readonly<Record<string, unknown>>

function arrayOf(value: object, field: string): readonly Fields[] {
  return (value as Readonly<Record<string, readonly Fields[]>>)[field] ?? []
}

/** Lists are compared by their first elements where they have any: lengths depend on the run. */
function sameShape(
  actual: unknown,
  expected: unknown,
  equal: readonly string[],
  path: string,
): void {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), `${path} is a list`)
    if (expected.length > 0 && actual.length > 0)
      for (const [index, each] of expected.entries())
        if (index < actual.length) sameShape(actual[index], each, equal, `${path}[${index}]`)
    return
  }
  if (expected === null || typeof expected !== 'object') {
    const kinds = [typeof expected, expected === null ? 'string' : typeof expected]
    assert.ok(actual === null || kinds.includes(typeof actual), `${path} is a ${typeof expected}`)
    return
  }
  assert.ok(typeof actual === 'object' && actual !== null, `${path} is a structure`)
  const [mine, theirs] = [actual as Fields, expected as Fields]
  assert.deepEqual(Object.keys(mine).toSorted(), Object.keys(theirs).toSorted(), path)
  for (const [field, value] of Object.entries(theirs)) {
    if (equal.includes(field) && isScalar(value))
      assert.equal(mine[field], value, `${path}.${field}`)
    else sameShape(mine[field], value, equal, `${path}.${field}`)
  }
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value !== 'object'
}

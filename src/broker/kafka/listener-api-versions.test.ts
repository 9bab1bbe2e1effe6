import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../core/index.ts'
import { apiVersions, encodeRequestFrame } from '../../protocol/index.ts'
import type { FixtureOptions } from './listener-fixture.test.ts'
import { headerFrame, heartbeatFrame, listenerFixture } from './listener-fixture.test.ts'

describe('ApiVersions', () => {
  test('newer than known gets version 0, UNSUPPORTED_VERSION and its own range', async () => {
    const { client, settle } = await connected()
    client.send(headerFrame(18, 5, 42))
    await settle()

    const { errorCode, apiKeys } = client.answer(apiVersions, 0)
    assert.deepEqual(client.correlationIds, [42])
    assert.equal(errorCode, 'UNSUPPORTED_VERSION')
    assert.deepEqual(apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
    assert.equal(client.isClosed, false)
  })

  test('tells what is served, Produce from 0', async () => {
    const { client, settle } = await connected()
    client.send(apiVersionsFrame(4, 'apache-kafka-java', '4.3.1'))
    await settle()

    assert.deepEqual(
      client
        .answer(apiVersions, 4)
        .apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, minVersion, maxVersion]),
      [
        [0, 0, 12],
        [11, 0, 9],
        [12, 0, 4],
        [16, 0, 5],
        [18, 0, 4],
      ],
    )
  })

  test('remembers the clients software, and refuses what is no plain word', async () => {
    const { client, settle, started } = await connected()
    client.send(apiVersionsFrame(3, 'librdkafka', '2.16.0'), heartbeatFrame(2))
    await settle()
    started[0]!.answer()
    client.send(apiVersionsFrame(3, 'lib rdkafka', '2.16.0'))
    await settle()

    assert.deepEqual(started[0]!.connection.clientSoftware, {
      name: 'librdkafka',
      version: '2.16.0',
    })
    const refused = client.answer(apiVersions, 3, 2)
    assert.deepEqual([refused.errorCode, refused.apiKeys], ['INVALID_REQUEST', []])
  })
})

async function connected(options?: FixtureOptions) {
  const fixture = await listenerFixture(options)
  return { ...fixture, client: await fixture.connect() }
}

function apiVersionsFrame(
  version: number,
  clientSoftwareName: string,
  clientSoftwareVersion: string,
) {
  return concatBytes(
    encodeRequestFrame(
      apiVersions,
      { version, correlationId: 1, clientId: 'c' },
      { clientSoftwareName, clientSoftwareVersion },
    ),
  )
}

/** A request that has a header and nothing else. */

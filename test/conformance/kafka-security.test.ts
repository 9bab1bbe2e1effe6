/** The Kafka source over TLS with the logins that a real Kafka offers, and what it says when one is wrong. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { KafkaClient, kafka } from '../../src/sources/kafka/index.ts'
import type { KafkaSasl, KafkaTls } from '../../src/sources/kafka/index.ts'
import { ApacheKafka, apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { kafkaFixture } from './kafka-fixture.ts'
import { RecordingMember } from './recording-member.ts'

const login = { username: 'alice', password: 'wonderland' }

describe('over TLS with a login', needs(apacheKafkaMissing()), () => {
  let node: ApacheKafka
  let fixture: Awaited<ReturnType<typeof kafkaFixture>>

  before(async () => {
    node = await ApacheKafka.start({ secure: login })
    fixture = await kafkaFixture(node)
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const args = `--bootstrap-server ${node.bootstrap} --alter --entity-type users --entity-name ${login.username}`
      const { exitCode, stderr } = await kafkaTool('kafka.admin.ConfigCommand', [
        ...args.split(' '),
        '--add-config',
        `${mechanism}=[password=${login.password}]`,
      ])
      assert.equal(exitCode, 0, stderr)
    }
  })
  after(() => fixture.close())

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)
    test(`${mechanism} lets a consumer in, and it reads`, async () => {
      const topic = await fixture.createTopic(1)
      await fixture.produce([
        { topic, partition: 0, key: null, value: Buffer.from('hello'), headers: [] },
      ])
      const { bootstrap, ca } = node.secure!
      const sasl = { mechanism, ...login }
      const source = kafka({ brokers: bootstrap, topics: [topic], tls: { ca }, sasl })
      await using member = await RecordingMember.join(source, `secure-${mechanism}`)
      await member.until('the record', () => member.seen.length === 1)
      assert.equal(Buffer.from(member.seen[0]!.record.value!).toString(), 'hello')
      await member.session.close()
    })

  const wrong: readonly (readonly [string, () => { tls?: KafkaTls; sasl?: KafkaSasl }, RegExp])[] =
    [
      [
        'a wrong password',
        () => ({
          tls: { ca: node.secure!.ca },
          sasl: { mechanism: 'SCRAM-SHA-256', username: 'alice', password: 'wrong' },
        }),
        /authentication/i,
      ],
      [
        'a certificate that nobody vouches for',
        () => ({ tls: {}, sasl: { mechanism: 'PLAIN', ...login } }),
        /self-signed certificate/i,
      ],
    ]
  for (const [name, security, words] of wrong)
    test(`${name} is told as the reason`, async () => {
      const opening = KafkaClient.open({
        brokers: node.secure!.bootstrap,
        bootstrapTimeoutMs: 500,
        ...security(),
      })
      await assert.rejects(opening, (error) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, words)
        return true
      })
    })
})

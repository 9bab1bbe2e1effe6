/**
 * Seed 001, lines 437-442 and 458: what a client says of one message, over HTTP: ack, nack, reject, visibility.
 *
 * The page has no request for any of them; these are GoQueue's (`POST /messages/...`).
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ShoalProcess } from '../real/shoal.ts'
import { GENEROUS_LIMIT_MS } from '../real/program.ts'

interface Message {
  readonly offset: number
  readonly value: string
  readonly delivery_count: number
  readonly receipt_handle: string
}

describe('seed 001, one message at a time', () => {
  let broker: ShoalProcess
  before(async () => {
    broker = await ShoalProcess.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  test('S001-57 nack: the message will be retried', async () => {
    const group = await Group.of(broker, 's001-57', ['order'])
    const [first] = await group.poll()
    const { body } = await group.say('nack', first, { reason: 'database down' })
    assert.deepEqual([body.action, body.requeued], ['requeued', true])
    const [again] = await group.poll()
    assert.deepEqual([again.offset, again.value, again.delivery_count], [first.offset, 'order', 2])
  })

  test('S001-58 ack commits the offset: after three it is 3, and none comes again', async () => {
    const group = await Group.of(broker, 's001-58', ['one', 'two', 'three', 'four'])
    const messages = await group.poll()
    for (const message of messages.slice(0, 3)) await group.say('ack', message)
    assert.equal(await group.committed(), 3)
    await group.leave()
    await group.join()
    const values = (await group.poll()).map(({ value }) => value)
    assert.deepEqual(values, ['four'])
  })

  test('S001-64 POST /messages/ack answers 200', async () => {
    const group = await Group.of(broker, 's001-64', ['order'])
    const [message] = await group.poll()
    const { status, body } = await group.say('ack', message)
    assert.deepEqual([status, body.acknowledged, body.committed_offset], [200, true, 1])
  })

  test('S001-65 POST /messages/nack answers 200, and the message comes again after the delay', async () => {
    const group = await Group.of(broker, 's001-65', ['order'])
    const [message] = await group.poll()
    const before = Date.now()
    const { status, body } = await group.say('nack', message, { delay: '500ms' })
    assert.equal(status, 200)
    const waitMs = Date.parse(body.next_visible_at) - before
    assert.ok(waitMs >= 450 && waitMs < GENEROUS_LIMIT_MS, `${waitMs} ms`)
    const [again] = await group.poll()
    assert.ok(Date.now() - before >= 450, 'not before')
    assert.equal(again.delivery_count, 2)
  })

  test('S001-66 POST /messages/reject answers 200, and the message is in the dead-letter topic', async () => {
    const group = await Group.of(broker, 's001-66', ['order'])
    const [message] = await group.poll()
    const { status, body } = await group.say('reject', message, { reason: 'no such customer' })
    assert.deepEqual([status, body.dlq_topic], [200, 's001-66-dlq'])
    const letter = await group.deadLetter()
    assert.equal(letter.value, 'order')
    const headers = new Map(letter.headers)
    assert.equal(headers.get('shoal-dlq-error'), 'no such customer')
    assert.equal(headers.get('shoal-dlq-origin-topic'), 's001-66')
    assert.equal(headers.get('shoal-dlq-origin-offset'), '0')
  })

  test('S001-67 POST /messages/visibility answers 200 with the new deadline; a bad handle 400', async () => {
    const group = await Group.of(broker, 's001-67', ['order'])
    const [message] = await group.poll()
    const before = Date.now()
    const { status, body } = await group.say('visibility', message, { timeout: '60s' })
    assert.equal(status, 200)
    assert.ok(Date.parse(body.new_deadline) - before >= 59_000, body.new_deadline)
    const bad = await group.say('visibility', { receipt_handle: 'nonsense' })
    assert.deepEqual([bad.status, bad.body.code], [400, 'INVALID_HANDLE'])
  })
})

/** One member `consumer-1` of a group with a topic of the same name. */
class Group {
  readonly #url: string
  readonly #name: string

  private constructor(url: string, name: string) {
    this.#url = url
    this.#name = name
  }

  static async of(broker: ShoalProcess, name: string, values: readonly string[]): Promise<Group> {
    const group = new Group(broker.url, name)
    const messages = values.map((value) => ({ value }))
    const published = await group.#ask('POST', `/topics/${name}/messages`, { messages })
    assert.equal(published.status, 200, JSON.stringify(published.body))
    await group.join()
    return group
  }

  async join(): Promise<void> {
    const joined = await this.#ask('POST', `/groups/${this.#name}/join`, {
      member_id: 'consumer-1',
      topics: [this.#name],
      auto_offset_reset: 'earliest',
    })
    assert.equal(joined.status, 200, JSON.stringify(joined.body))
  }

  async leave(): Promise<void> {
    const body = { member_id: 'consumer-1' }
    assert.equal((await this.#ask('POST', `/groups/${this.#name}/leave`, body)).status, 200)
  }

  /** At least one message. */
  async poll(): Promise<readonly [Message, ...Message[]]> {
    const path = `/groups/${this.#name}/poll?member_id=consumer-1&timeout=60s`
    const { status, body } = await this.#ask('GET', path)
    assert.equal(status, 200, JSON.stringify(body))
    assert.ok(body.messages.length > 0)
    return body.messages
  }

  say(word: string, { receipt_handle }: Pick<Message, 'receipt_handle'>, more: object = {}) {
    return this.#ask('POST', `/messages/${word}`, { receipt_handle, ...more })
  }

  async committed(): Promise<number> {
    const { body } = await this.#ask('GET', `/groups/${this.#name}/offsets`)
    return body.topics[this.#name]['0']
  }

  /** The first message of the dead-letter topic, as another group gets it. */
  async deadLetter() {
    const letters = new Group(this.#url, `${this.#name}-dlq`)
    await letters.join()
    const [letter] = await letters.poll()
    return letter as Message & { readonly headers: readonly (readonly [string, string])[] }
  }

  async #ask(method: string, path: string, body?: unknown) {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    // oxlint-disable-next-line typescript/no-explicit-any -- answers of every shape
    return { status: response.status, body: (await response.json()) as any }
  }
}

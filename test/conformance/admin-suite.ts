/**
 * What every broker's view for operators has to keep: groups, how far each is behind, dead letters. One suite for all; where a
 * broker does not tell something, its stage says so, and then null is what is right.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ShoalError } from '../../src/core/index.ts'
import { open, openAdmin, type AdminOptions, type Door } from 'shoal/open'
import { waitFor } from 'shoal/testing'
import {
  executeRedrive,
  letterFacts,
  planRedrive,
  type BrokerPort,
  type GroupBacklog,
  type RedriveRules,
  type StoredLetter,
} from '../../src/admin/index.ts'

export interface AdminStage {
  readonly url: string
  readonly options?: AdminOptions
  /** Makes a topic where sending to it does not. */
  createTopic(topic: string): Promise<void>
  close(): Promise<void>
}

export interface AdminSubject {
  readonly name: string
  /** Whether the broker knows what was handed out and is not acknowledged. */
  readonly tellsPending: boolean
  /** Whether it tells how old the first unread record is. */
  readonly tellsAge: boolean
  /** Whether letters can be looked at where they are. */
  readonly showsLetters: boolean
  /** What a group is called whose members are gone. */
  readonly groupWithoutMembers: (group: string, topic: string) => string
  readonly open: () => Promise<AdminStage>
}

const ALL: RedriveRules = { to: null, reason: null, group: null, only: new Set(), maxRedrives: 3 }

export function adminConformance(subject: AdminSubject): void {
  describe(`the workbench over ${subject.name}`, () => {
    let stage: AdminStage
    let admin: BrokerPort
    let names = 0

    before(async () => {
      stage = await subject.open()
      admin = await openAdmin(stage.url, stage.options)
    })
    after(async () => {
      await admin?.close()
      await stage?.close()
    })

    const fresh = async () => {
      const topic = `orders${names++}`
      await stage.createTopic(topic)
      await stage.createTopic(`${topic}-dlq`)
      return topic
    }
    const door = (topic: string, group: string, extra: object = {}): Promise<Door> =>
      open(stage.url, { topic, group, ...extra })

    test('a group is behind by what was written since it stopped, and has no members then', async () => {
      const topic = await fresh()
      await using writer = await door(topic, 'billing')
      for (let value = 0; value < 4; value++) await writer.send({ key: 'k', value: `${value}` })
      {
        await using reader = await door(topic, 'billing')
        let left = 4
        for await (const message of reader.receive()) {
          await reader.ack(message)
          if (--left === 0) break
        }
      }
      for (let value = 0; value < 3; value++) await writer.send({ key: 'k', value: `${value}` })
      const name = subject.groupWithoutMembers('billing', topic)
      const backlog = await waitFor(
        async () => {
          const seen = await admin.groupBacklog(name)
          const [row] = seen.partitions
          return row?.lag === 3 && (row.pending ?? 0) === 0 ? seen : null
        },
        { what: 'three are unread', lookAgainMs: 200 },
      )
      const [row] = backlog.partitions
      assert.equal(backlog.partitions.length, 1)
      assert.deepEqual([row?.topic, row?.partition, row?.lagIsAtLeast], [topic, 0, false])
      if (subject.tellsAge) assert.ok((row?.oldestUnreadMs ?? -1) >= 0)
      else assert.equal(row?.oldestUnreadMs, null)
      if (!subject.tellsPending)
        assert.deepEqual([row?.pending, row?.oldestPendingMs], [null, null])
      const listed = (await admin.listGroups()).find(({ groupId }) => groupId === name)
      assert.ok(listed !== undefined, 'the group is listed')
    })

    test('a member that holds records is named, with how many', async () => {
      const topic = await fresh()
      await using writer = await door(topic, 'shipping')
      for (let value = 0; value < 3; value++) await writer.send({ value: `${value}` })
      const received = Promise.withResolvers<void>()
      const release = Promise.withResolvers<void>()
      const named = subject.tellsPending ? { consumerName: 'worker-1' } : {}
      await using reader = await door(topic, 'shipping', named)
      const reading = (async () => {
        for await (const _message of reader.receive()) {
          received.resolve()
          await release.promise
          break
        }
      })()
      await Promise.race([received.promise, reading])
      const holds = ({ state, members, partitions: [row] }: GroupBacklog) =>
        state === 'Stable' &&
        members.length === 1 &&
        row?.memberIds.length === 1 &&
        (!subject.tellsPending || (row.lag === 0 && row.pending === 3 && members[0]?.pending === 3))
      const backlog = await waitFor(
        async () => {
          const seen = await admin.groupBacklog('shipping').catch(() => null)
          return seen !== null && holds(seen) ? seen : null
        },
        { what: 'the member holds three', lookAgainMs: 200 },
      )
      if (subject.tellsPending) assert.equal(backlog.members[0]?.memberId, 'worker-1')
      assert.deepEqual(backlog.partitions[0]?.memberIds, [backlog.members[0]?.memberId])
      release.resolve()
      await reading
    })

    test('a group that is not there is an error with its name', async () => {
      await assert.rejects(admin.groupBacklog('nobody'), {
        code: 'SHOAL_UNKNOWN_GROUP',
        message: /group nobody does not exist/,
      })
    })

    test('dead letters of the runtime are listed, told, sent back once each, counted, and deleted', async () => {
      const topic = await fresh()
      const letters = `${topic}-dlq`
      await using writer = await door(topic, 'charging')
      for (const value of ['bad', 'odd', 'bad']) await writer.send({ key: value, value })
      await giveUp(await door(topic, 'charging'), letters, 3)
      const listed = await admin.deadLetters.list('-dlq')
      assert.equal(listed.find((each) => each.topic === letters)?.letterCount, 3)

      if (subject.showsLetters) {
        const told = await lettersOf(letters)
        assert.deepEqual(
          told.map((letter) => `${text(letter.value)} ${letterFacts(letter).attempts}`).toSorted(),
          ['bad 1', 'bad 1', 'odd 1'],
        )
        for (const letter of told) {
          const { reason, error, group, originTopic } = letterFacts(letter)
          assert.deepEqual([reason, group, originTopic], ['RangeError', 'charging', topic])
          assert.match(error ?? '', /is not charged/)
        }
        const plan = await planRedrive(admin, {
          topic: letters,
          rules: { ...ALL, reason: 'odd is' },
          limit: 100,
        })
        assert.deepEqual(plan.moves, [{ to: topic, reason: 'RangeError', letterCount: 1 }])
        assert.deepEqual([plan.moveCount, plan.otherCount, plan.isCut], [1, 2, false])
      } else
        await assert.rejects(lettersOf(letters), {
          code: 'SHOAL_REQUEST_FAILED',
          message: /without taking it out/,
        })

      const moved = await redrive(letters, { ...ALL, reason: 'odd is' })
      assert.equal(moved, 1)
      assert.equal((await admin.deadLetters.describe(letters)).letterCount, 2)
      assert.deepEqual(await redrivenValues(topic), ['odd'])

      assert.equal(await redrive(letters, { ...ALL, maxRedrives: 1 }), 2)
      assert.equal((await admin.deadLetters.describe(letters)).letterCount, 0)
      // They fail again: letters of the same origin, that say how often they were sent back, and then stay.
      await giveUp(await door(topic, 'charging'), letters, 2)
      assert.equal(await redrive(letters, { ...ALL, maxRedrives: 1 }), 0)
      const { letterCount } = await admin.deadLetters.describe(letters)
      assert.equal(await admin.deadLetters.purge(letters), letterCount)
      assert.equal((await admin.deadLetters.describe(letters)).letterCount, 0)
    })

    test('letters whose origin is gone stay, and a topic that is not there is an error', async () => {
      await assert.rejects(admin.deadLetters.describe('none-dlq'), { code: 'SHOAL_UNKNOWN_TOPIC' })
      await assert.rejects(admin.deadLetters.purge('none-dlq'), { code: 'SHOAL_UNKNOWN_TOPIC' })
      const topic = await fresh()
      const letters = `${topic}-dlq`
      await using origin = await door(topic, 'g')
      await origin.send({ value: 'there' })
      await using writer = await open(stage.url, { topic: letters })
      const headers = { 'shoal-dlq-origin-topic': 'gone', 'shoal-dlq-reason': 'Error' }
      await writer.send({ value: 'a', headers })
      await writer.send({ value: 'b' })
      await assert.rejects(redrive(letters, ALL), { code: 'SHOAL_UNKNOWN_TOPIC', message: /gone/ })
      await waitFor(async () => (await countOf(letters)) === 2, { what: 'both are there' })
      assert.equal(await redrive(letters, { ...ALL, to: topic }), 2)
    })

    /** A member that fails with everything, until there are so many letters. */
    async function giveUp(failing: Door, deadLetter: string, count: number): Promise<void> {
      await using closing = new AsyncDisposableStack()
      closing.use(failing)
      closing.use(
        await failing
          .consumer({
            decode: 'text',
            retry: { attempts: 1 },
            deadLetter,
            handle: (value) => {
              throw new RangeError(`${String(value)} is not charged`)
            },
          })
          .start(),
      )
      await waitFor(async () => (await countOf(deadLetter)) === count, { what: `${count} letters` })
    }

    /** Null before the first letter makes the topic. */
    async function countOf(topic: string): Promise<number | null> {
      try {
        return (await admin.deadLetters.describe(topic)).letterCount
      } catch (error) {
        if (error instanceof ShoalError && error.code === 'SHOAL_UNKNOWN_TOPIC') return null
        throw error
      }
    }

    async function redrive(topic: string, rules: RedriveRules): Promise<number> {
      let moved = 0
      await executeRedrive(admin, { topic, rules, onMoved: () => moved++ })
      return moved
    }

    async function lettersOf(topic: string): Promise<readonly StoredLetter[]> {
      return Array.fromAsync(admin.deadLetters.read(topic))
    }

    /** What the origin was sent back, as a member of its group gets it. */
    async function redrivenValues(topic: string): Promise<readonly (string | null)[]> {
      await using reader = await door(topic, 'charging')
      const values: (string | null)[] = []
      for await (const message of reader.receive()) {
        values.push(message.value)
        assert.equal(text(message.headers.get('shoal-dlq-redriven') ?? null), '1')
        await reader.ack(message)
        break
      }
      return values
    }
  })
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes)
}

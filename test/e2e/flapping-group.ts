/**
 * One group whose members come, leave and are killed by a seeded plan, and what is checked of it.
 */

import { randomBelow, seededRandom } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { consumerGroupDescribe } from '../../src/protocol/index.ts'
import { commitOffsets, committedOffsets, partitionKey } from '../../src/sources/kafka/index.ts'
import type { KafkaClient } from '../../src/sources/kafka/index.ts'
import { startMember } from './group-members.ts'
import type { GroupMember, Identity, MemberKind, Place } from './group-members.ts'
import { OwnershipJournal } from './ownership-journal.ts'

export interface FlappingOptions {
  readonly kind: MemberKind
  readonly seed: number
  readonly client: KafkaClient
  readonly bootstrap: string
  readonly url: string
  readonly topic: string
  readonly partitionCount: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
}

const FEWEST = 2
const MOST = 6

export class FlappingGroup {
  readonly group: string
  readonly journal = new OwnershipJournal()
  readonly counts = { joins: 0, leaves: 0, kills: 0, processed: 0, repeated: 0, refused: 0 }
  readonly violations: string[] = []
  readonly #options: FlappingOptions
  readonly #random: Random
  readonly #members: GroupMember[] = []
  readonly #pending = new Set<Promise<unknown>>()
  readonly #processed: Set<number>[]
  readonly #committed: number[]
  readonly #zombies: Identity[] = []
  #named = 0
  #lastEventMs = 0

  constructor(options: FlappingOptions) {
    const { kind, seed, partitionCount } = options
    this.group = `flapping-${kind}`
    this.#options = options
    this.#random = seededRandom(seed)
    this.#processed = Array.from({ length: partitionCount }, () => new Set<number>())
    this.#committed = Array.from({ length: partitionCount }, () => -1)
  }

  /** One member comes, leaves or is killed. Does not wait for what follows. */
  async event(): Promise<void> {
    const random = this.#random.next()
    const count = this.#members.length
    this.#lastEventMs = Date.now()
    if (count <= FEWEST || (random < 0.5 && count < MOST)) return this.join()
    const [member] = this.#members.splice(randomBelow(this.#random, count), 1)
    if (member === undefined) return
    if (random < 0.75) {
      this.counts.leaves++
      this.#follow(member.leave())
      return
    }
    this.counts.kills++
    const identity = await this.#identityOf(member)
    if (identity !== null) this.#zombies.push(identity)
    this.#follow(member.kill())
  }

  async join(): Promise<void> {
    this.counts.joins++
    const name = `${this.#options.kind}-${++this.#named}`
    const starting = startMember(this.#options.kind, name, this.#place())
    this.#follow(starting)
    this.#members.push(await starting)
  }

  /** Every partition has one owner, that lives. */
  isConverged(): boolean {
    const owners = this.journal.owners()
    const names = new Set(this.#members.map(({ name }) => name))
    return this.#processed.every((_, partition) => {
      const [owner, ...more] = owners.get(partition) ?? []
      return owner !== undefined && more.length === 0 && names.has(owner)
    })
  }

  /** From the last event to the last change of an owner. */
  get convergedAfterMs(): number {
    return Math.max(0, this.journal.lastChangeMs() - this.#lastEventMs)
  }

  /** Records below these offsets that nobody processed. */
  missing(ends: readonly number[]): number {
    return ends.reduce((sum, end, partition) => {
      const processed = this.#processed[partition]
      let missing = 0
      for (let offset = 0; offset < end; offset++) if (processed?.has(offset) !== true) missing++
      return sum + missing
    }, 0)
  }

  /** What the group has committed; a position that went back is a violation. */
  async lookAtCommits(): Promise<readonly number[]> {
    const { client, topic } = this.#options
    const partitions = this.#processed.map((_, partition) => ({ topic, partition }))
    const found = await committedOffsets(client, this.group, partitions)
    partitions.forEach(({ partition }) => {
      const offset = found.get(partitionKey({ topic, partition }))?.offset ?? -1
      const before = this.#committed[partition] ?? -1
      if (offset < before)
        this.violations.push(
          `${this.group}: partition ${partition} went from ${before} to ${offset}`,
        )
      this.#committed[partition] = offset
    })
    return this.#committed
  }

  /** Members that were killed and are out of the group commit after all: each must be refused. */
  async commitAsZombies(): Promise<void> {
    const { client, topic } = this.#options
    for (const { memberId, generation } of this.#zombies) {
      const answers = await commitOffsets(client, {
        group: this.group,
        generation,
        memberId,
        groupInstanceId: null,
        positions: this.#processed.map((_, partition) => ({
          topic,
          partition,
          offset: 0,
          metadata: '',
        })),
      })
      for (const error of answers.values())
        if (error === 'NONE')
          this.violations.push(`${this.group}: a commit of ${memberId} at ${generation} was taken`)
        else this.counts.refused++
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.splice(0).map((member) => member.leave()))
    await Promise.all(this.#pending)
  }

  #place(): Place {
    const { bootstrap, url, topic, sessionTimeoutMs, heartbeatIntervalMs } = this.#options
    return {
      bootstrap,
      url,
      topic,
      sessionTimeoutMs,
      heartbeatIntervalMs,
      group: this.group,
      commit: 'each',
      journal: this.journal,
      processed: (_, partition, offset) => {
        const known = this.#processed[partition]
        this.counts[known?.has(offset) === true ? 'repeated' : 'processed']++
        known?.add(offset)
      },
    }
  }

  async #identityOf(member: GroupMember): Promise<Identity | null> {
    if (this.#options.kind !== 'librdkafka') return member.identity
    const { client } = this.#options
    const body = { groupIds: [this.group], includeAuthorizedOperations: false }
    const { response } = await client.request(consumerGroupDescribe, body, {
      to: { group: this.group },
    })
    const found = response.groups[0]?.members.find(({ clientId }) => clientId === member.name)
    return found === undefined ? null : { memberId: found.memberId, generation: found.memberEpoch }
  }

  #follow(promise: Promise<unknown>): void {
    const followed = promise
      .catch((error: unknown) => this.violations.push(`${this.group}: ${String(error)}`))
      .finally(() => this.#pending.delete(followed))
    this.#pending.add(followed)
  }
}

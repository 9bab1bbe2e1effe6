/**
 * What the tests ask the broker themselves, by a client that is neither the seeds' nor Shoal's (kafkajs).
 *
 * One connection each for questions and for records, made at first use; everything may be called concurrently.
 */

import { AssignerProtocol, Kafka, logLevel, type Admin, type Producer } from 'kafkajs'
import { eventually, once } from './waiting.ts'

export interface ObservedRecord {
  readonly key?: string
  readonly value: string | Buffer
  readonly partition?: number
}

export interface ObservedMember {
  readonly memberId: string
  readonly clientId: string
  readonly partitions: readonly number[]
}

export interface ObservedGroup {
  readonly state: string
  /** The assignor that the members agreed on. */
  readonly protocol: string
  readonly members: readonly ObservedMember[]
}

export class Observer implements AsyncDisposable {
  readonly #kafka: Kafka
  readonly #admin: () => Promise<Admin>
  readonly #producer: () => Promise<Producer>
  readonly #connected: { disconnect: () => Promise<void> }[] = []
  readonly #partitionCounts = new Map<string, number>()

  constructor(bootstrap: string) {
    this.#kafka = new Kafka({
      brokers: [bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 50 },
    })
    const connect = async <T extends Admin | Producer>(client: T): Promise<T> => {
      this.#connected.push(client)
      await client.connect()
      return client
    }
    this.#admin = once(() => connect(this.#kafka.admin()))
    this.#producer = once(() => connect(this.#kafka.producer({ allowAutoTopicCreation: false })))
  }

  async createTopic(topic: string, numPartitions: number): Promise<void> {
    const admin = await this.#admin()
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false })
    await eventually(
      () => this.#partitionCount(topic),
      (count) => count === numPartitions,
    )
    this.#partitionCounts.set(topic, numPartitions)
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    const admin = await this.#admin()
    await admin.createPartitions({ topicPartitions: [{ topic, count }] })
    this.#partitionCounts.set(topic, count)
  }

  async produce(topic: string, messages: readonly ObservedRecord[]): Promise<void> {
    const producer = await this.#producer()
    await producer.send({ topic, messages: messages.map((message) => ({ key: null, ...message })) })
  }

  /** The committed offset of each partition, -1 where there is none. */
  async committed(groupId: string, topic: string): Promise<readonly number[]> {
    const admin = await this.#admin()
    const entries = await onceLoaded(() => admin.fetchOffsets({ groupId }))
    const found = entries.find((entry) => entry.topic === topic)?.partitions ?? []
    const offsets = new Map(found.map(({ partition, offset }) => [partition, Number(offset)]))
    return Array.from(
      { length: this.#partitionCounts.get(topic) ?? 0 },
      (_, partition) => offsets.get(partition) ?? -1,
    )
  }

  /** Asks until the committed offsets are these. */
  async untilCommitted(
    groupId: string,
    topic: string,
    offsets: readonly number[],
    limitMs?: number,
  ): Promise<void> {
    const ask = () => this.committed(groupId, topic)
    await eventually(ask, (answer) => answer.join() === offsets.join(), limitMs)
  }

  /** Gives a group without members a committed offset on partition 0, as an operator does. */
  async setOffset(groupId: string, topic: string, offset: number): Promise<void> {
    const admin = await this.#admin()
    await admin.setOffsets({
      groupId,
      topic,
      partitions: [{ partition: 0, offset: String(offset) }],
    })
  }

  async groups(): Promise<readonly string[]> {
    const { groups } = await (await this.#admin()).listGroups()
    return groups.map(({ groupId }) => groupId).sort()
  }

  async group(groupId: string): Promise<ObservedGroup> {
    const admin = await this.#admin()
    const described = await onceLoaded(() => admin.describeGroups([groupId]))
    const [group] = described.groups
    if (group === undefined) throw new Error(`${groupId} is not described`)
    const members = group.members.map(({ memberId, clientId, memberAssignment }) => ({
      memberId,
      clientId,
      partitions: assignedPartitions(memberAssignment),
    }))
    return { state: group.state, protocol: group.protocol, members }
  }

  /** Asks until the group is stable with so many members. */
  async untilStable(groupId: string, memberCount: number): Promise<ObservedGroup> {
    return eventually(
      () => this.group(groupId),
      ({ state, members }) => state === 'Stable' && members.length === memberCount,
    )
  }

  /** How many partitions the broker lists; 0 while it does not know the topic yet. */
  async #partitionCount(topic: string): Promise<number> {
    try {
      const { topics } = await (await this.#admin()).fetchTopicMetadata({ topics: [topic] })
      return topics[0]?.partitions.length ?? 0
    } catch (error) {
      if (isError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return 0
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connected.map((client) => client.disconnect()))
  }
}

function assignedPartitions(assignment: Buffer): readonly number[] {
  if (assignment.length === 0) return []
  const decoded = AssignerProtocol.MemberAssignment.decode(assignment)
  return Object.values(decoded?.assignment ?? {})
    .flat()
    .sort((left, right) => left - right)
}

/** Asks again while a broker that has just started loads its groups, which this client takes for an answer. */
async function onceLoaded<T>(ask: () => Promise<T>): Promise<T> {
  const answers = async (): Promise<readonly T[]> => {
    try {
      return [await ask()]
    } catch (error) {
      if (isError(error, 'GROUP_LOAD_IN_PROGRESS')) return []
      throw error
    }
  }
  const [answer] = await eventually(answers, (got) => got.length > 0)
  return answer as T
}

function isError(error: unknown, type: string): boolean {
  return error instanceof Error && 'type' in error && error.type === type
}
